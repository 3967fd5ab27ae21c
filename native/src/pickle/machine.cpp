#include "pickle/machine.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "pickle/opcodes.h"
#include "pickle/stack_machine.h"

namespace torchferry::pickle {
namespace {

/// Offsets in a Tree have 32 bits.
constexpr std::uint64_t kMostBytes = 0xFFFFFFFFu;

std::span<const std::byte> within(std::span<const std::byte> bytes, const Limits& limits) {
  return bytes.first(std::min<std::uint64_t>({bytes.size(), limits.pickle_bytes, kMostBytes}));
}

std::string_view characters(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Parsed parse(std::span<const std::byte> bytes, const Limits& limits) { return Machine(bytes, limits).run(); }

Machine::Machine(std::span<const std::byte> bytes, const Limits& limits)
    : limits_(limits),
      begin_(bytes.data()),
      end_(begin_ + within(bytes, limits).size()),
      cut_(bytes.size() - within(bytes, limits).size()),
      tree_(characters(within(bytes, limits)), limits) {
  stack_.reserve(std::min<std::size_t>(bytes.size(), 4096));
  memo_.reserve(std::min<std::size_t>(bytes.size() / 8, 1u << 18));
}

Parsed Machine::run() {
  Cursor at = begin_;
  for (;;) {
    tree_.at(reinterpret_cast<const char*>(at));
    if (at == end_) ends_before(at, 1);
    const auto number = std::to_integer<std::uint8_t>(*at);
    if (number == opcode::kStop) break;
    // A quarter of all opcodes in a large checkpoint is this one; inlined here it costs half.
    const OpcodeFunction function = kOpcodes[number].run;
    at = number == opcode::kLongBinput ? opcode::long_binput(*this, at + 1) : function(*this, at + 1);
  }
  const NodeId root = top();
  return {std::move(tree_).finish(root), static_cast<std::size_t>(at + 1 - begin_)};
}

std::string_view Machine::line(Cursor& at) const {
  const void* feed = at == end_ ? nullptr : std::memchr(at, '\n', left(at));
  if (!feed) ends_before(at, left(at) + 1);
  const std::string_view text = take(at, static_cast<std::uint64_t>(static_cast<Cursor>(feed) - at));
  ++at;
  return text;
}

void Machine::corrupt(const std::string& message) const { tree_.fail(ErrorCode::corrupt, message); }

void Machine::unsupported(const std::string& message) const { tree_.fail(ErrorCode::unsupported, message); }

std::string Machine::opcode_name() const {
  const auto number = std::to_integer<unsigned>(begin_[tree_.offset()]);
  const char* name = kOpcodes[number].name;
  char text[40];
  std::snprintf(text, sizeof text, "%s (0x%02X)", name ? name : "opcode", number);
  return text;
}

Cursor Machine::push_growing(NodeId value, Cursor at) {
  stack_.push_back(value);
  return at;
}

NodeId Machine::below_mark() const {
  if (marks_.empty()) no_mark();
  if (marks_[marks_.size() - 1] == frame_) corrupt(opcode_name() + " has no value below its MARK to work on");
  return stack_[frame_ - 1];
}

void Machine::remember_next() {
  if (memo_.count() >= limits_.memo_entries || memo_.count() > 0xFFFFFFFFu) memo_full();
  remember(static_cast<std::uint32_t>(memo_.count()));
}

void Machine::ends_before(Cursor at, std::uint64_t size) const {
  if (cut_ != 0 && size - left(at) <= cut_) {
    tree_.passed_limit("pickle_bytes", static_cast<std::uint64_t>(end_ - begin_), "the pickle goes on");
  }
  const bool no_opcode = tree_.offset() == static_cast<std::uint64_t>(at - begin_);
  if (no_opcode) corrupt("the pickle ends before STOP: truncated?");
  corrupt(opcode_name() + " wants " + std::to_string(size) + " more bytes, but " + std::to_string(left(at)) +
          " are left: truncated?");
}

void Machine::too_few_values(std::size_t count) const {
  const std::size_t there = stack_.size() - frame_;
  corrupt(opcode_name() + " wants " + std::to_string(count) + (count == 1 ? " value" : " values") +
          " on the stack, but there are " + std::to_string(there));
}

void Machine::too_many_marks() const {
  tree_.passed_limit("depth", limits_.depth, "too many containers are begun inside each other (open MARKs)");
}

void Machine::no_mark() const { corrupt(opcode_name() + " without a MARK"); }

void Machine::memo_full() const {
  tree_.passed_limit("memo_entries", limits_.memo_entries, "the pickle remembers too many values");
}

void Machine::not_in_memo(std::uint32_t index) const {
  corrupt(opcode_name() + " recalls memo entry " + std::to_string(index) + ", which was never stored");
}

}  // namespace torchferry::pickle
