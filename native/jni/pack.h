#pragma once

#include <torchferry/error.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry::jni {

// Structures cross the border as one byte array: numbers in the machine's byte order, a string as its length
// and its bytes (UTF-8, lone surrogates as three bytes), a list of strings ("names") as a count, the ends and
// then all bytes. The Java side of it is io.torchferry.PackReader and PackWriter.

/// Writes one packed structure.
class PackWriter {
 public:
  void u8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void i32(std::int32_t value) { raw(&value, sizeof value); }
  void i64(std::int64_t value) { raw(&value, sizeof value); }
  void f64(double value) { raw(&value, sizeof value); }

  /// Counts and lengths, which Java holds in an int. Throws Error(limit_exceeded).
  void count(std::size_t value) {
    if (value > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) too_large();
    i32(static_cast<std::int32_t>(value));
  }

  void string(std::string_view text) {
    count(text.size());
    raw(text.data(), text.size());
  }

  /// `text_at(i)` gives the i-th of `n` strings.
  template <class TextAt>
  void names(std::size_t n, const TextAt& text_at) {
    count(n);
    std::size_t end = 0;
    for (std::size_t i = 0; i < n; ++i) count(end += std::string_view(text_at(i)).size());
    out_.reserve(out_.size() + end);
    for (std::size_t i = 0; i < n; ++i) {
      const std::string_view text = text_at(i);
      raw(text.data(), text.size());
    }
  }

  template <class Strings>
  void names(const Strings& strings) {
    names(strings.size(), [&](std::size_t i) -> std::string_view { return strings[i]; });
  }

  void raw(const void* bytes, std::size_t size) {
    if (size != 0) out_.append(static_cast<const char*>(bytes), size);
  }

  void reserve(std::size_t bytes) { out_.reserve(bytes); }
  const std::string& bytes() const noexcept { return out_; }

 private:
  [[noreturn]] static void too_large() {
    throw Error(ErrorCode::limit_exceeded, "more names or content than one Java array can hold (2 GiB)");
  }

  std::string out_;
};

/// Reads one packed structure, which Java wrote: what does not fit is a mistake of ours,
/// Error(invalid_argument).
class PackReader {
 public:
  explicit PackReader(std::string_view bytes) : left_(bytes) {}

  std::uint8_t u8() { return number<std::uint8_t>(); }
  std::int32_t i32() { return number<std::int32_t>(); }
  std::int64_t i64() { return number<std::int64_t>(); }
  double f64() { return number<double>(); }
  /// A count or length.
  std::size_t count() { return size(); }

  std::string string() { return std::string(take(size())); }

  std::vector<std::string> names() {
    const std::size_t n = size();
    const std::string_view ends = take(n * sizeof(std::int32_t));
    std::vector<std::string> names;
    names.reserve(n);
    std::size_t begin = 0;
    for (std::size_t i = 0; i < n; ++i) {
      std::int32_t end = 0;
      std::memcpy(&end, ends.data() + i * sizeof end, sizeof end);
      if (end < 0 || static_cast<std::size_t>(end) < begin) broken();
      names.emplace_back(take(static_cast<std::size_t>(end) - begin));
      begin = static_cast<std::size_t>(end);
    }
    return names;
  }

 private:
  template <class Number>
  Number number() {
    Number value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  std::size_t size() {
    const std::int32_t value = i32();
    if (value < 0) broken();
    return static_cast<std::size_t>(value);
  }

  std::string_view take(std::size_t n) {
    if (n > left_.size()) broken();
    const std::string_view taken = left_.substr(0, n);
    left_.remove_prefix(n);
    return taken;
  }

  [[noreturn]] static void broken() {
    throw Error(ErrorCode::invalid_argument, "a packed argument is too short");
  }

  std::string_view left_;
};

}  // namespace torchferry::jni
