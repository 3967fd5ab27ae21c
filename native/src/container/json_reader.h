#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace torchferry {

/// A strict pull reader of JSON (RFC 8259) for headers and indexes: the caller asks for what must come next, and
/// anything else is Error(corrupt) with the byte offset in the text. No value tree is built, so memory is bounded by
/// what the caller keeps. Objects and arrays nest at most 128 deep.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  /// Enters an object or array: then call `next_key` or `next_element` until it says false.
  void enter_object();
  void enter_array();
  /// Reads the next key of the object and its colon; false at the object's end. Duplicates are the caller's
  /// matter.
  bool next_key(std::string& key);
  bool next_element();

  /// The first character of what comes next, white space passed over.
  char next() { return peek(); }
  std::string string();
  std::uint64_t unsigned_integer();
  bool boolean();
  std::string_view number();  ///< any number, as it is written
  bool null();           ///< reads `null` if it comes next
  void skip_value();     ///< any value, checked for grammar
  bool at_object();      ///< whether an object comes next
  /// Only white space may follow.
  void finish();

  std::size_t offset() const noexcept { return at_; }
  [[noreturn]] void fail(const std::string& message) const;

 private:
  void skip_space() noexcept;
  char peek();
  void expect(char c);
  void enter(char open);
  void skip_number();
  void literal(std::string_view word);
  std::uint32_t hex4();
  void append_escape(std::string& out);

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  bool first_ = false;  // no comma before the next member
};

}  // namespace torchferry
