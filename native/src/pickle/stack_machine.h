#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "container/little_endian.h"
#include "pickle/growing_array.h"
#include "pickle/machine.h"
#include "pickle/memo.h"
#include "pickle/tree_builder.h"

namespace torchferry::pickle {

/// Where a machine reads next.
using Cursor = const std::byte*;

/// A pickle's stack machine without its opcodes: the bytes, the stack with its marks, the memo. The opcodes,
/// which work on it, are functions of their own (opcodes.h).
class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const Limits& limits);

  Parsed run();

  TreeBuilder& tree() noexcept { return tree_; }

  // Operands. Each moves `at` past what it read, and throws when the pickle ends before that. What a length
  // promises is compared with the bytes left before anything is done with it.
  std::uint8_t u8(Cursor& at) const { return std::to_integer<std::uint8_t>(*passed<1>(at)); }
  std::uint16_t u16(Cursor& at) const { return load_u16(passed<2>(at)); }
  std::uint32_t u32(Cursor& at) const { return load_u32(passed<4>(at)); }
  std::uint64_t u64(Cursor& at) const { return load_u64(passed<8>(at)); }
  std::string_view take(Cursor& at, std::uint64_t size) const {
    if (size > left(at)) ends_before(at, size);
    const std::string_view text(reinterpret_cast<const char*>(at), size);
    at += size;
    return text;
  }
  /// Up to a line feed, which is read but not returned.
  std::string_view line(Cursor& at) const;
  /// Throws unless `size` more bytes are there.
  void require(Cursor at, std::uint64_t size) const {
    if (size > left(at)) ends_before(at, size);
  }

  [[noreturn]] void corrupt(const std::string& message) const;
  [[noreturn]] void unsupported(const std::string& message) const;
  /// "BINUNICODE (0x58)": the opcode that is being run.
  std::string opcode_name() const;
  const Limits& limits() const noexcept { return limits_; }

  // The stack. What stands below the innermost mark cannot be popped.
  /// Returns `at`: an opcode that ends with it needs no registers saved, which is a tenth of the time of
  /// parsing.
  Cursor push(NodeId value, Cursor at) {
    if (stack_.full()) [[unlikely]] return push_growing(value, at);
    stack_.push_back(value);
    return at;
  }
  /// The topmost `count` values, the top last, which stay; valid until the stack is changed.
  std::span<const NodeId> peek(std::size_t count) const {
    if (stack_.size() - frame_ < count) too_few_values(count);
    return {stack_.end() - count, count};
  }
  NodeId top() const { return peek(1)[0]; }
  void drop(std::size_t count) noexcept { stack_.shrink_to(stack_.size() - count); }
  bool frame_is_empty() const noexcept { return stack_.size() == frame_; }

  void open_mark() {
    if (marks_.size() >= limits_.depth) too_many_marks();
    marks_.push_back(static_cast<std::uint32_t>(frame_));
    frame_ = stack_.size();
  }
  /// What was pushed since the innermost mark.
  std::span<const NodeId> marked() const {
    if (marks_.empty()) no_mark();
    return {stack_.data() + frame_, stack_.end()};
  }
  /// The value just below the innermost mark.
  NodeId below_mark() const;
  /// Takes the innermost mark away with all that is above it.
  void close_mark() {
    if (marks_.empty()) no_mark();
    stack_.shrink_to(frame_);
    frame_ = marks_[marks_.size() - 1];
    marks_.shrink_to(marks_.size() - 1);
  }

  void remember(std::uint32_t index) {
    memo_.put(index, top());
    if (memo_.count() > limits_.memo_entries) memo_full();
  }
  void remember_next();
  NodeId recall(std::uint32_t index) const {
    const NodeId value = memo_.get(index);
    if (value == MemoTable::kAbsent) not_in_memo(index);
    return value;
  }

  void set_protocol(unsigned protocol) noexcept { protocol_ = protocol; }
  unsigned protocol() const noexcept { return protocol_; }

 private:
  template <std::size_t kBytes>
  Cursor passed(Cursor& at) const {
    if (left(at) < kBytes) ends_before(at, kBytes);
    at += kBytes;
    return at - kBytes;
  }
  Cursor push_growing(NodeId value, Cursor at);
  std::uint64_t left(Cursor at) const noexcept { return static_cast<std::uint64_t>(end_ - at); }

  [[noreturn]] void ends_before(Cursor at, std::uint64_t size) const;
  [[noreturn]] void too_few_values(std::size_t count) const;
  [[noreturn]] void no_mark() const;
  [[noreturn]] void too_many_marks() const;
  [[noreturn]] void memo_full() const;
  [[noreturn]] void not_in_memo(std::uint32_t index) const;

  const Limits limits_;
  const Cursor begin_;
  const Cursor end_;        ///< no more than limits_.pickle_bytes (and what 32 bits count) after begin_
  const std::uint64_t cut_; ///< bytes that were given but stand after end_
  unsigned protocol_ = 0;
  GrowingArray<NodeId> stack_;
  std::size_t frame_ = 0;    ///< index of the first value above the innermost mark
  GrowingArray<std::uint32_t> marks_;  ///< frame_ of each mark, the innermost last
  MemoTable memo_;
  TreeBuilder tree_;
};

}  // namespace torchferry::pickle
