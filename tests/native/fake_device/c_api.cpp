#include <iterator>
#include <string>

#include "fake_device/fake_device.h"
#include "fake_device/ledger.h"
#include "fake_device/memory.h"
#include "fake_device/runtime.h"

using torchferry::fake::Ledger;
using torchferry::fake::Refused;

namespace {

constexpr const char* stat_names[] = {
#define TF_FAKE_STAT_NAME(name) #name,
    TF_FAKE_STATS(TF_FAKE_STAT_NAME)
#undef TF_FAKE_STAT_NAME
};

thread_local std::string last_error;

template <class Action>
int reporting_refusal(Action action) {
  try {
    action();
    return 0;
  } catch (const Refused& refused) {
    last_error = refused.what();
    return -1;
  }
}

}  // namespace

extern "C" {

int tf_fake_stat_count(void) { return static_cast<int>(std::size(stat_names)); }

const char* tf_fake_stat_name(int i) { return i >= 0 && i < tf_fake_stat_count() ? stat_names[i] : nullptr; }

int tf_fake_set_device_count(int count) {
  return reporting_refusal([=] { Ledger::get().set_device_count(count); });
}

int tf_fake_device_count(void) { return Ledger::get().device_count(); }

int tf_fake_set_memory_limit(int index, int64_t bytes) {
  return reporting_refusal([=] { Ledger::get().set_memory_limit(index, bytes); });
}

int tf_fake_set_bandwidth(int index, int64_t bytes_per_second) {
  return reporting_refusal([=] {
    Ledger::get().check_index(index);
    if (bytes_per_second < 0)
      throw Refused("a bandwidth of " + std::to_string(bytes_per_second) + " bytes per second");
    torchferry::fake::set_bandwidth(index, bytes_per_second);
  });
}

int tf_fake_stats(int index, struct tf_fake_device_stats* stats) {
  return reporting_refusal([=] { *stats = Ledger::get().stats(index); });
}

void tf_fake_reset_stats(void) { Ledger::get().reset_all_stats(); }

int tf_fake_owns(const void* address) {
  const auto block = torchferry::fake::find_block(address);
  return block ? block->index() : -1;
}

int tf_fake_is_pinned(const void* address) { return torchferry::fake::find_pinned(address) ? 1 : 0; }

void tf_fake_fail_next_copy(int64_t n) { Ledger::get().fail_copy_after(n); }

void tf_fake_hold_copies(int64_t n) { torchferry::fake::hold_copies(n); }

const char* tf_fake_last_error(void) { return last_error.c_str(); }

}  // extern "C"
