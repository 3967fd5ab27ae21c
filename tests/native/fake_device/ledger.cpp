#include "fake_device/ledger.h"

#include <algorithm>
#include <string>

namespace torchferry::fake {

namespace {

struct CopyCounters {
  int64_t tf_fake_device_stats::* copies;
  int64_t tf_fake_device_stats::* bytes;
};

CopyCounters counters_of(CopyKind kind) {
  using Stats = tf_fake_device_stats;
  switch (kind) {
    case CopyKind::host_to_device:
      return {&Stats::host_to_device_copies, &Stats::host_to_device_bytes};
    case CopyKind::device_to_host:
      return {&Stats::device_to_host_copies, &Stats::device_to_host_bytes};
    case CopyKind::same_device:
      return {&Stats::same_device_copies, &Stats::same_device_bytes};
    case CopyKind::cross_device:
      break;
  }
  return {&Stats::cross_device_copies, &Stats::cross_device_bytes};
}

}  // namespace

Ledger& Ledger::get() {
  static Ledger* const ledger =
      new Ledger;  // never destroyed: freed tensors may report to it at process exit
  return *ledger;
}

int Ledger::device_count() const {
  std::scoped_lock lock(mutex_);
  return device_count_;
}

void Ledger::set_device_count(int count) {
  std::scoped_lock lock(mutex_);
  if (count < 0 || count > TF_FAKE_MAX_DEVICES)
    throw Refused("device count " + std::to_string(count) + " is not between 0 and " +
                  std::to_string(TF_FAKE_MAX_DEVICES));
  for (int index = count; index < device_count_; ++index)
    if (accounts_[index].stats.live_allocations != 0)
      throw Refused("index " + std::to_string(index) + " still holds memory and cannot be taken away");
  device_count_ = count;
}

void Ledger::check_index(int index) const {
  std::scoped_lock lock(mutex_);
  require_index(index);
}

void Ledger::require_index(int index) const {
  if (index < 0 || index >= device_count_)
    throw Refused("device index " + std::to_string(index) +
                  " is not there: " + std::to_string(device_count_) + " devices exist");
}

void Ledger::set_memory_limit(int index, int64_t bytes) {
  std::scoped_lock lock(mutex_);
  require_index(index);
  accounts_[index].limit = bytes < 0 ? std::nullopt : std::optional<uint64_t>(bytes);
}

std::pair<size_t, size_t> Ledger::memory_info(int index) const {
  std::scoped_lock lock(mutex_);
  require_index(index);
  const Account& account = accounts_[index];
  const uint64_t used = account.stats.allocated_bytes;
  return {account.capacity() - std::min(used, account.capacity()), account.capacity()};
}

bool Ledger::charge(int index, size_t bytes) {
  std::scoped_lock lock(mutex_);
  Account& account = accounts_[index];
  const uint64_t used = account.stats.allocated_bytes;
  if (bytes > account.capacity() || used > account.capacity() - bytes) {
    ++account.stats.out_of_memory;
    return false;
  }
  ++account.stats.allocations;
  ++account.stats.live_allocations;
  account.stats.allocated_bytes += static_cast<int64_t>(bytes);
  account.stats.allocated_peak_bytes =
      std::max(account.stats.allocated_peak_bytes, account.stats.allocated_bytes);
  return true;
}

void Ledger::refund(int index, size_t bytes) {
  std::scoped_lock lock(mutex_);
  --accounts_[index].stats.live_allocations;
  accounts_[index].stats.allocated_bytes -= static_cast<int64_t>(bytes);
}

void Ledger::charge_pinned(size_t bytes) {
  std::scoped_lock lock(mutex_);
  ++host_.pinned_allocations;
  host_.pinned_bytes += static_cast<int64_t>(bytes);
  host_.pinned_peak_bytes = std::max(host_.pinned_peak_bytes, host_.pinned_bytes);
}

void Ledger::refund_pinned(size_t bytes) {
  std::scoped_lock lock(mutex_);
  host_.pinned_bytes -= static_cast<int64_t>(bytes);
}

bool Ledger::count_copy(CopyKind kind, int index, size_t bytes, bool async) {
  std::scoped_lock lock(mutex_);
  tf_fake_device_stats& stats = accounts_[index].stats;
  const CopyCounters counters = counters_of(kind);
  ++(stats.*counters.copies);
  stats.*counters.bytes += static_cast<int64_t>(bytes);
  if (async) ++stats.async_copies;
  if (copies_before_failure_ < 0) return false;
  if (copies_before_failure_-- > 0) return false;
  ++stats.failed_copies;
  return true;
}

void Ledger::count_operator(int index) {
  std::scoped_lock lock(mutex_);
  ++accounts_[index].stats.operators;
}

void Ledger::fail_copy_after(int64_t copies) {
  std::scoped_lock lock(mutex_);
  copies_before_failure_ = std::max<int64_t>(copies, -1);
}

tf_fake_device_stats Ledger::stats(int index) const {
  std::scoped_lock lock(mutex_);
  require_index(index);
  tf_fake_device_stats stats = accounts_[index].stats;
  stats.pinned_bytes = host_.pinned_bytes;
  stats.pinned_peak_bytes = host_.pinned_peak_bytes;
  stats.pinned_allocations = host_.pinned_allocations;
  return stats;
}

void Ledger::Account::reset() {
  tf_fake_device_stats fresh{};
  fresh.allocated_bytes = fresh.allocated_peak_bytes = stats.allocated_bytes;
  fresh.live_allocations = stats.live_allocations;
  stats = fresh;
}

void Ledger::reset_stats(int index) {
  std::scoped_lock lock(mutex_);
  require_index(index);
  accounts_[index].reset();
}

void Ledger::reset_all_stats() {
  std::scoped_lock lock(mutex_);
  for (Account& account : accounts_) account.reset();
  host_.pinned_allocations = 0;
  host_.pinned_peak_bytes = host_.pinned_bytes;
}

void Ledger::reset_peak(int index) {
  std::scoped_lock lock(mutex_);
  require_index(index);
  accounts_[index].stats.allocated_peak_bytes = accounts_[index].stats.allocated_bytes;
}

}  // namespace torchferry::fake
