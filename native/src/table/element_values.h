#pragma once

#include <torchferry/dtype.h>

#include <cstddef>
#include <span>

namespace torchferry {

/// Numbers in an item of this type: 2 for complex types, 0 where items have none (packed and bits types).
std::size_t numbers_per_item(DType dtype) noexcept;

/// The numbers of items of little-endian bytes, in order; a complex item gives its real and its imaginary part. Exact
/// but for 64-bit integers beyond 2^53. `out` has as many places as the items have numbers.
void decode_numbers(DType dtype, std::span<const std::byte> items, std::span<double> out);

}  // namespace torchferry
