#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace torchferry {

/// CRC-32 (IEEE 802.3, as in zip). Start with `crc` = 0 and feed parts in order.
std::uint32_t crc32(std::uint32_t crc, std::span<const std::byte> bytes) noexcept;

}  // namespace torchferry
