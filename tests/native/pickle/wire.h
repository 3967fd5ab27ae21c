#pragma once

#include <cctype>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "pickle/machine.h"

namespace torchferry::pickle::testing {

/// The bytes of a pickle as a person writes them: hexadecimal digits, and text between quotes. "58 01000000
/// 'a'".
inline std::string wire(std::string_view written) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i < written.size(); ++i) {
    if (written[i] == '\'') {
      for (++i; written[i] != '\''; ++i) bytes += written[i];
    } else if (std::isspace(static_cast<unsigned char>(written[i])) == 0) {
      bytes += static_cast<char>(digit(written[i]) << 4 | digit(written[i + 1]));
      ++i;
    }
  }
  return bytes;
}

inline std::string little_endian(std::uint64_t value, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

inline Parsed parse_text(const std::string& bytes, const Limits& limits = {}) {
  return parse(std::as_bytes(std::span(bytes)), limits);
}

}  // namespace torchferry::pickle::testing
