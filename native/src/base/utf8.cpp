#include "base/utf8.h"

#include <cstdint>
#include <cstring>

namespace torchferry {
namespace {

constexpr std::uint64_t kHighBits = 0x8080808080808080u;

std::uint64_t load8(const char* at) noexcept {
  std::uint64_t eight;
  std::memcpy(&eight, at, sizeof eight);
  return eight;
}

bool continues(unsigned char byte) noexcept { return (byte & 0xC0u) == 0x80u; }

/// Length of the sequence at `at`, of which `left` bytes (at least one) exist; 0 when it is malformed.
std::size_t sequence_length(const unsigned char* at, std::size_t left) noexcept {
  const unsigned char lead = at[0];
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || left < 2 || !continues(at[1])) return 0;
  if (lead < 0xE0) return 2;
  if (left < 3 || !continues(at[2])) return 0;
  if (lead < 0xF0) return lead == 0xE0 && at[1] < 0xA0 ? 0 : 3;
  if (left < 4 || !continues(at[3]) || lead > 0xF4) return 0;
  if (lead == 0xF0 && at[1] < 0x90) return 0;
  if (lead == 0xF4 && at[1] > 0x8F) return 0;
  return 4;
}

}  // namespace

bool is_strict_utf8(std::string_view text) noexcept {
  if (!is_utf8(text)) return false;
  for (std::size_t at = text.find('\xED'); at != std::string_view::npos; at = text.find('\xED', at + 1)) {
    if (static_cast<unsigned char>(text[at + 1]) >= 0xA0) return false;  // well formed, so a byte follows
  }
  return true;
}

bool is_ascii(std::string_view text) noexcept {
  const char* at = text.data();
  const std::size_t size = text.size();
  if (size >= 8) {
    // The last eight bytes overlap what the loop has seen, so that no tail is left.
    std::uint64_t seen = load8(at + size - 8);
    for (std::size_t i = 0; i + 8 <= size; i += 8) seen |= load8(at + i);
    return (seen & kHighBits) == 0;
  }
  unsigned seen = 0;
  for (std::size_t i = 0; i < size; ++i) seen |= static_cast<unsigned char>(at[i]);
  return seen < 0x80;
}

std::size_t utf8_prefix(std::string_view text) noexcept {
  const std::size_t size = text.size();
  if (size < 64 && is_ascii(text)) return size;
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t at = 0;
  while (at < size) {
    if (size - at >= 8 && (load8(text.data() + at) & kHighBits) == 0) {
      at += 8;
      continue;
    }
    const std::size_t length = sequence_length(bytes + at, size - at);
    if (length == 0) return at;
    at += length;
  }
  return size;
}

void append_latin1_as_utf8(std::string_view latin1, std::string& out) {
  for (const char c : latin1) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xC0u | (byte >> 6));
      out += static_cast<char>(0x80u | (byte & 0x3Fu));
    }
  }
}

bool append_utf8_as_latin1(std::string_view text, std::string& out) {
  const std::size_t start = out.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      out += text[i];
    } else if ((lead == 0xC2 || lead == 0xC3) && i + 1 < text.size()) {
      const auto next = static_cast<unsigned char>(text[++i]);
      out += static_cast<char>(((lead & 0x03u) << 6) | (next & 0x3Fu));
    } else {
      out.resize(start);
      return false;
    }
  }
  return true;
}

}  // namespace torchferry
