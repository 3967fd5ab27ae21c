#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>

#include "fake_device/fake_device.h"

namespace torchferry::fake {

/// A refused argument of the set-up functions.
class Refused : public std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

enum class CopyKind { host_to_device, device_to_host, same_device, cross_device };

/// What every index may hold, holds and has done: device count, limits, statistics, the planned copy failure.
/// One process-wide instance, never destroyed, safe from every thread.
class Ledger {
 public:
  static Ledger& get();

  int device_count() const;
  void set_device_count(int count);
  /// Throws Refused for an index that is not there.
  void check_index(int index) const;

  void set_memory_limit(int index, int64_t bytes);
  /// Free and total bytes of an index.
  std::pair<size_t, size_t> memory_info(int index) const;

  /// Books an allocation; false when it does not fit (which is counted as well).
  bool charge(int index, size_t bytes);
  void refund(int index, size_t bytes);
  void charge_pinned(size_t bytes);
  void refund_pinned(size_t bytes);

  /// Counts one copy at `index`; true when this is the copy that has to fail.
  bool count_copy(CopyKind kind, int index, size_t bytes, bool async);
  void count_operator(int index);
  void fail_copy_after(int64_t copies);

  tf_fake_device_stats stats(int index) const;
  /// Resets an index, leaving the pinned statistics alone, or everything.
  void reset_stats(int index);
  void reset_all_stats();
  void reset_peak(int index);

 private:
  struct Account {
    tf_fake_device_stats stats{};
    std::optional<uint64_t> limit;
    uint64_t capacity() const { return limit.value_or(TF_FAKE_DEFAULT_MEMORY); }
    void reset();
  };

  void require_index(int index) const;

  mutable std::mutex mutex_;
  int device_count_ = 2;
  int64_t copies_before_failure_ = -1;
  std::array<Account, TF_FAKE_MAX_DEVICES> accounts_{};
  tf_fake_device_stats host_{};  // only the pinned_ members are used
};

}  // namespace torchferry::fake
