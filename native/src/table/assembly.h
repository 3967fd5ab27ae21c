#pragma once

#include <torchferry/tensor_table.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace torchferry {

/// A box of a tensor, as one file holds it. All in elements.
struct Piece {
  StorageRow storage;                 ///< what holds the box's elements; the row is in no table
  std::uint64_t storage_offset = 0;
  std::vector<std::int64_t> at;       ///< the box's first element in the whole tensor
  std::vector<std::int64_t> size;
  std::vector<std::int64_t> stride;   ///< in `storage`
};

/// A tensor that was saved in pieces: the row of its storage names it instead of a place in a file.
struct Assembly {
  std::size_t item_bytes = 1;
  std::vector<std::int64_t> size;
  std::vector<Piece> pieces;  ///< no two overlap, and together they are the whole tensor
};

/// A box of a tensor: the first element, and the sizes.
struct Box {
  std::span<const std::int64_t> at;
  std::span<const std::int64_t> size;
};

/// Why the boxes are not a tiling of a tensor of that size, each element in exactly one; empty where they are one.
/// Takes time in proportion to the number of boxes, whatever they are.
std::string tiling_fault(std::span<const std::int64_t> size, std::span<const Box> boxes);

/// Fills its second argument with elements of a piece, in row-major order, from the first argument on.
using ReadPiece = std::function<void(const Piece&, std::uint64_t, std::span<std::byte>)>;

/// Fills `out` with the bytes of a piece that lie inside [first, first + out.size()) of the row-major tensor, both
/// multiples of `item_bytes`; the others stay as they are. Needs at most 1 MiB of memory of its own.
void place_piece(const Assembly& assembly, const Piece& piece, std::uint64_t first, std::span<std::byte> out,
                 const ReadPiece& read);

}  // namespace torchferry
