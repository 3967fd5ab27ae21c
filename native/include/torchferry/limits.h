#pragma once

#include <cstdint>

namespace torchferry {

/// What reading one checkpoint may use before it is refused with ErrorCode::limit_exceeded. The message names the
/// limit by the field's name, its value, and how it is raised in C++, in Java and on the command line. The defaults are far above what real checkpoints need.
struct Limits {
  /// Bytes of one pickle (data.pkl), after inflating.
  std::uint64_t pickle_bytes = std::uint64_t{1} << 30;
  /// Values (nodes) that a pickle may make.
  std::uint64_t pickle_nodes = 50'000'000;
  /// Entries of the pickle's memo table.
  std::uint64_t memo_entries = 50'000'000;
  /// Containers inside containers; at most 1,000,000 are walked, whatever this says.
  std::uint32_t depth = 1'000;
  /// Bytes of one integer of arbitrary size.
  std::uint32_t integer_bytes = 4'096;
  /// Records in a container; files of a checkpoint that has several.
  std::uint64_t records = 10'000'000;
  /// Bytes of the container's directory, of the header of a safetensors file, or of an index of shards.
  std::uint64_t directory_bytes = std::uint64_t{1} << 30;
  /// Tensors that the content may list, a tensor listed under two names counted twice. A small pickle may list fewer:
  /// 100,000 and four for each of its bytes.
  std::uint64_t tensors = 10'000'000;
  /// Bytes of all names (joined keys) together. For a small pickle fewer: 8 MiB and 16 times its size.
  std::uint64_t name_bytes = std::uint64_t{1} << 30;
  /// Dimensions of one tensor.
  std::uint32_t dimensions = 64;
  /// Bytes that inflating all deflated records may give.
  std::uint64_t inflated_bytes = std::uint64_t{1} << 36;
  /// Inflated bytes per stored byte of a deflated record (deflate itself cannot pass 1032).
  std::uint32_t inflate_ratio = 1'100;
};

}  // namespace torchferry
