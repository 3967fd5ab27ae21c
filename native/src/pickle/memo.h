#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "pickle/growing_array.h"
#include "pickle/tree.h"

namespace torchferry::pickle {

/// A pickle's memo. Indices are any 32-bit number, but picklers count from 0: those near the count of entries
/// live in an array, and a far one costs a single hash entry however far it is.
class MemoTable {
 public:
  static constexpr NodeId kAbsent = 0xFFFFFFFFu;

  void put(std::uint32_t index, NodeId value) {
    if (index == dense_.size() && sparse_.empty()) {
      dense_.push_back(value);
      ++count_;
    } else {
      put_out_of_order(index, value);
    }
  }

  /// kAbsent where nothing was put.
  NodeId get(std::uint32_t index) const noexcept {
    if (index < dense_.size() && dense_[index] != kAbsent) return dense_[index];
    return sparse_.empty() ? kAbsent : get_sparse(index);
  }

  /// Entries that are there.
  std::size_t count() const noexcept { return count_; }

  void reserve(std::size_t entries) { dense_.reserve(entries); }

 private:
  void put_out_of_order(std::uint32_t index, NodeId value);
  NodeId get_sparse(std::uint32_t index) const noexcept;

  GrowingArray<NodeId> dense_;  ///< never longer than count_ + kSlack
  std::unordered_map<std::uint32_t, NodeId> sparse_;
  std::size_t count_ = 0;
};

}  // namespace torchferry::pickle
