#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace torchferry::pickle {

/// A value that was remembered and can be written again as the same object.
using Memo = std::uint32_t;

/// Writes one pickle of protocol 2, value by value: opcode for opcode what Python's pickler writes for the
/// same objects, so that every reader of torch.save's files reads it, weights_only=True and libtorch's own
/// among them. Two deliberate differences: equal texts are one object (in Python mostly, too), and integers
/// beyond 32 bits always take eight bytes, because libtorch reads no other length.
///
/// Each function writes one value. Elements are written by the functions given, which the containers call: a
/// tuple of three is `tuple(3, [&] { … three values … })`. For one thread.
class Writer {
 public:
  Writer();

  void none();
  void boolean(bool value);
  void integer(std::int64_t value);
  /// An integer of any size: decimal digits, with '-' in front where it is negative. Throws
  /// Error(invalid_argument) when it is not one.
  void big_integer(std::string_view decimal);
  void real(double value);
  /// UTF-8; lone surrogates as three bytes. Throws Error(invalid_argument) when it is not.
  void text(std::string_view utf8);
  /// The same, but equal ones are one object: for words that come again and again.
  void word(std::string_view utf8);
  void bytes(std::string_view value);
  /// A class, function or constant by its name; equal ones are one object.
  void global(std::string_view module, std::string_view name);

  /// Only a tuple with elements can be written again.
  template <class Elements>
  std::optional<Memo> tuple(std::size_t count, const Elements& write) {
    if (count > kShortTuple) mark();
    write();
    return end_tuple(count);
  }
  /// A tuple of integers, as sizes and strides are.
  void tuple(std::span<const std::int64_t> integers);
  Memo empty_list();
  Memo empty_dict();
  /// What `module.name(*arguments)` returns, with `count` arguments.
  template <class Arguments>
  Memo call(std::string_view module, std::string_view name, std::size_t count, const Arguments& write) {
    global(module, name);
    tuple(count, write);
    return end_call();
  }
  /// The storage or other outside object that a tuple of `count` elements names.
  template <class Elements>
  void persistent(std::size_t count, const Elements& write) {
    tuple(count, write);
    opcode(0x51);  // BINPERSID
  }
  void recall(Memo memo);

  /// Appends `count` elements to the list written last; `write` is called with each index.
  template <class Element>
  void append(std::size_t count, const Element& write) {
    in_batches(count, 0x61, 0x65, write);  // APPEND, APPENDS
  }
  /// Sets `count` items of the dict (or the object like one) written last; `write` writes key and value of an
  /// index.
  template <class Item>
  void set_items(std::size_t count, const Item& write) {
    in_batches(count, 0x73, 0x75, write);  // SETITEM, SETITEMS
  }
  /// Gives the object written last the attributes of the dict that `write` writes.
  template <class State>
  void build(const State& write) {
    write();
    opcode(0x62);  // BUILD
  }

  /// The pickle; nothing may be written afterwards.
  std::string finish() &&;

 private:
  static constexpr std::size_t kShortTuple = 3;
  static constexpr std::size_t kBatch = 1000;  // Python's

  void opcode(unsigned char code) { out_ += static_cast<char>(code); }
  void number(std::uint64_t value, std::size_t bytes);
  void mark() { opcode(0x28); }
  std::optional<Memo> end_tuple(std::size_t count);
  Memo end_call();
  Memo new_text(std::string_view utf8);
  Memo remember();
  /// Writes it again when there is one of this name.
  bool recalled(const std::string& name);

  template <class Write>
  void in_batches(std::size_t count, unsigned char one, unsigned char many, const Write& write) {
    for (std::size_t i = 0; i < count;) {
      if (count - i == 1) {
        write(i++);
        opcode(one);
        continue;
      }
      mark();
      for (const std::size_t end = count - i < kBatch ? count : i + kBatch; i < end; ++i) write(i);
      opcode(many);
    }
  }

  std::string out_;
  Memo memos_ = 0;
  /// Texts, and globals as "module\nname\n" (no text is looked up under such a name: theirs start with a
  /// quote).
  std::unordered_map<std::string, Memo> names_;
};

}  // namespace torchferry::pickle
