#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry::testing {

/// Writes a number's octal digits into a field of a tar header.
inline void put_octal(std::string& header, std::size_t start, std::size_t size, std::uint64_t value) {
  std::string digits;
  for (std::size_t i = 0; i + 1 < size; ++i, value >>= 3) digits.insert(digits.begin(), static_cast<char>('0' + (value & 7)));
  header.replace(start, size - 1, digits);
}

/// Makes the checksum of the 512-byte header at `at` true.
inline void seal_tar_header(std::string& bytes, std::size_t at = 0) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < 512; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(bytes[at + i]);
  char digits[8];
  std::snprintf(digits, sizeof digits, "%06llo", static_cast<unsigned long long>(sum & 0777777));
  bytes.replace(at + 148, 8, std::string(digits, 6) + '\0' + ' ');
}

inline std::string tar_header(std::string_view name, std::uint64_t size, char type = '0') {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  put_octal(header, 100, 8, 0644);
  put_octal(header, 124, 12, size);
  header[156] = type;
  header.replace(257, 5, "ustar");
  header.replace(263, 2, "00");
  seal_tar_header(header);
  return header;
}

inline std::string tar_member(std::string_view name, const std::string& content, char type = '0') {
  std::string bytes = tar_header(name, content.size(), type) + content;
  bytes.resize((bytes.size() + 511) / 512 * 512);
  return bytes;
}

/// A line of an extended header, with its own length.
inline std::string pax_line(std::string_view key, std::string_view value) {
  const std::size_t rest = 1 + key.size() + 1 + value.size() + 1;
  std::size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length) ++length;
  return std::to_string(length) + " " + std::string(key) + "=" + std::string(value) + "\n";
}

/// What ends an archive.
inline std::string tar_end() { return std::string(1024, '\0'); }

}  // namespace torchferry::testing
