#pragma once

#include <cstddef>
#include <span>

namespace torchferry {

/// Inflates a raw deflate stream (RFC 1951) into `out`, which must be filled exactly by all of `in`. Throws
/// Error(corrupt) with the offset in `in` for a broken stream, one that ends early, one that would give more
/// or fewer bytes, or bytes after its end. Never writes past `out`, whose content is unspecified after an
/// error. Allocates nothing.
void inflate(std::span<const std::byte> in, std::span<std::byte> out);

}  // namespace torchferry
