#include "container/crc32.h"

#include <array>

#include "container/little_endian.h"

namespace torchferry {
namespace {

constexpr std::size_t kSlices = 16;
using Tables = std::array<std::array<std::uint32_t, 256>, kSlices>;

/// tables[k][b] is the remainder of byte b followed by k zero bytes, for the reflected polynomial 0x04C11DB7.
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) {
      remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? 0xEDB88320U : 0U);
    }
    tables[0][byte] = remainder;
  }
  for (std::size_t k = 1; k < kSlices; ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}

alignas(64) constexpr Tables kTables = make_tables();

/// The four bytes of `word`, of which the first is followed by `zeros` + 3 bytes of the block.
inline std::uint32_t fold(std::uint32_t word, std::size_t zeros) noexcept {
  return kTables[zeros + 3][word & 0xFF] ^ kTables[zeros + 2][(word >> 8) & 0xFF] ^
         kTables[zeros + 1][(word >> 16) & 0xFF] ^ kTables[zeros][word >> 24];
}

}  // namespace

std::uint32_t crc32(std::uint32_t crc, std::span<const std::byte> bytes) noexcept {
  crc = ~crc;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= kSlices; at += kSlices, left -= kSlices) {
    crc = fold(load_u32(at) ^ crc, 12) ^ fold(load_u32(at + 4), 8) ^ fold(load_u32(at + 8), 4) ^
          fold(load_u32(at + 12), 0);
  }
  for (; left != 0; ++at, --left) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ std::to_integer<std::uint32_t>(*at)) & 0xFF];
  }
  return ~crc;
}

}  // namespace torchferry
