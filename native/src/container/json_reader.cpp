#include "container/json_reader.h"

#include <torchferry/error.h>

#include "base/utf8.h"

namespace torchferry {
namespace {

constexpr std::size_t kMaxDepth = 128;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

}  // namespace

void JsonReader::fail(const std::string& message) const {
  throw Error(ErrorCode::corrupt, {}, {}, at_, "invalid JSON: " + message);
}

void JsonReader::skip_space() noexcept {
  constexpr std::string_view kSpace = " \t\n\r";
  while (at_ < text_.size() && kSpace.find(text_[at_]) != std::string_view::npos) ++at_;
}

char JsonReader::peek() {
  skip_space();
  if (at_ == text_.size()) fail("the text ends too early");
  return text_[at_];
}

void JsonReader::expect(char c) {
  if (peek() != c) fail(std::string("expected '") + c + "'");
  ++at_;
}

void JsonReader::enter(char open) {
  expect(open);
  if (++depth_ > kMaxDepth) fail("nested too deeply");
  first_ = true;
}

void JsonReader::enter_object() { enter('{'); }
void JsonReader::enter_array() { enter('['); }
bool JsonReader::at_object() { return peek() == '{'; }

bool JsonReader::next_key(std::string& key) {
  if (peek() == '}') {
    ++at_;
    --depth_;
    first_ = false;
    return false;
  }
  if (!first_) expect(',');
  first_ = false;
  key = string();
  expect(':');
  return true;
}

bool JsonReader::next_element() {
  if (peek() == ']') {
    ++at_;
    --depth_;
    first_ = false;
    return false;
  }
  if (!first_) {
    expect(',');
    if (peek() == ']') fail("a comma before the end of an array");
  }
  first_ = false;
  return true;
}

std::uint32_t JsonReader::hex4() {
  if (text_.size() - at_ < 4) fail("a \\u escape is cut");
  std::uint32_t code = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    const char c = text_[at_];
    const int digit = is_digit(c)             ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) fail("a \\u escape needs four hexadecimal digits");
    code = code << 4 | static_cast<std::uint32_t>(digit);
  }
  return code;
}

void JsonReader::append_escape(std::string& out) {
  if (at_ == text_.size()) fail("a string is cut");
  const char c = text_[at_++];
  switch (c) {
    case '"':
    case '\\':
    case '/': out += c; return;
    case 'b': out += '\b'; return;
    case 'f': out += '\f'; return;
    case 'n': out += '\n'; return;
    case 'r': out += '\r'; return;
    case 't': out += '\t'; return;
    case 'u': break;
    default: fail("an unknown escape");
  }
  std::uint32_t code = hex4();
  if (code >= 0xDC00 && code < 0xE000) fail("a lone surrogate");
  if (code >= 0xD800 && code < 0xDC00) {
    if (text_.substr(at_, 2) != "\\u") fail("a lone surrogate");
    at_ += 2;
    const std::uint32_t low = hex4();
    if (low < 0xDC00 || low >= 0xE000) fail("a lone surrogate");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  append_utf8(out, code);
}

std::string JsonReader::string() {
  if (peek() != '"') fail("expected a string");
  ++at_;
  std::string out;
  for (;;) {
    const std::size_t plain = at_;
    const auto is_plain = [](char c) { return c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20; };
    while (at_ < text_.size() && is_plain(text_[at_])) ++at_;
    out.append(text_, plain, at_ - plain);
    if (at_ == text_.size()) fail("a string is cut");
    const char c = text_[at_];
    if (c == '"') break;
    if (c != '\\') fail("a control character in a string");
    ++at_;
    append_escape(out);
  }
  ++at_;
  if (!is_strict_utf8(out)) fail("a string that is not UTF-8");
  return out;
}

std::uint64_t JsonReader::unsigned_integer() {
  if (!is_digit(peek())) fail("expected a non-negative integer");
  std::uint64_t value = 0;
  const std::size_t start = at_;
  for (; at_ < text_.size() && is_digit(text_[at_]); ++at_) {
    const auto digit = static_cast<std::uint64_t>(text_[at_] - '0');
    if (__builtin_mul_overflow(value, std::uint64_t{10}, &value) ||
        __builtin_add_overflow(value, digit, &value)) {
      fail("an integer beyond 64 bits");
    }
  }
  if (text_[start] == '0' && at_ - start > 1) fail("a number with a leading zero");
  const char next = at_ < text_.size() ? text_[at_] : '\0';
  if (next == '.' || next == 'e' || next == 'E') fail("expected an integer");
  return value;
}

void JsonReader::literal(std::string_view word) {
  if (text_.substr(at_, word.size()) != word) fail("an unknown word");
  at_ += word.size();
}

bool JsonReader::null() {
  if (peek() != 'n') return false;
  literal("null");
  return true;
}

bool JsonReader::boolean() {
  const bool value = peek() == 't';
  literal(value ? "true" : "false");
  return value;
}

std::string_view JsonReader::number() {
  peek();
  const std::size_t start = at_;
  skip_number();
  return text_.substr(start, at_ - start);
}

void JsonReader::skip_number() {
  const auto digits = [this] {
    if (at_ == text_.size() || !is_digit(text_[at_])) fail("a number without digits");
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
  };
  if (text_[at_] == '-') ++at_;
  const std::size_t start = at_;
  digits();
  if (text_[start] == '0' && at_ - start > 1) fail("a number with a leading zero");
  if (at_ < text_.size() && text_[at_] == '.') {
    ++at_;
    digits();
  }
  if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    ++at_;
    if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
    digits();
  }
}

void JsonReader::skip_value() {
  switch (peek()) {
    case '{': {
      std::string key;
      enter_object();
      while (next_key(key)) skip_value();
      return;
    }
    case '[':
      enter_array();
      while (next_element()) skip_value();
      return;
    case '"': string(); return;
    case 't': literal("true"); return;
    case 'f': literal("false"); return;
    case 'n': literal("null"); return;
    default: skip_number();
  }
}

void JsonReader::finish() {
  skip_space();
  if (at_ != text_.size()) fail("something follows the value");
}

}  // namespace torchferry
