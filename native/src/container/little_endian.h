#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace torchferry {

static_assert(std::endian::native == std::endian::little,
              "the readers load little-endian numbers as they lie");

/// Numbers as they lie in the formats: little-endian, at any alignment. The caller has checked the range.

inline std::uint16_t load_u16(const std::byte* at) noexcept {
  std::uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline std::uint32_t load_u32(const std::byte* at) noexcept {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline std::uint64_t load_u64(const std::byte* at) noexcept {
  std::uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace torchferry
