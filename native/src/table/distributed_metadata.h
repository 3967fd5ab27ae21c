#pragma once

#include <torchferry/dtype.h>
#include <torchferry/limits.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pickle/tree.h"
#include "table/nesting.h"
#include "table/walk.h"

namespace torchferry {

/// What the `.metadata` of torch.distributed.checkpoint says, checked as far as it can be without the other files.
struct DistributedMetadata {
  /// A part of a file, which is a whole file of torch.save by itself.
  struct Blob {
    std::uint32_t file;
    std::uint64_t offset;
    std::uint64_t length;
  };
  struct Chunk {
    std::vector<std::int64_t> at;
    std::vector<std::int64_t> size;
    Blob blob{};
  };
  struct Item {
    std::string_view name;             ///< in the arena
    std::optional<DType> dtype;        ///< of a tensor; none: some other value
    bool requires_grad = false;
    std::vector<std::int64_t> size;    ///< of a tensor
    std::vector<Chunk> chunks;         ///< of a tensor: those with elements, which tile it exactly
    Blob blob{};                       ///< of another value
    std::vector<PathStep> path;        ///< its place in the content
  };
  std::vector<std::string> files;      ///< distinct names, as written
  std::vector<Item> items;             ///< in the order of state_dict_metadata, as PyTorch has them
};

/// Whether the tree is such metadata.
bool is_distributed_metadata(const pickle::Tree& tree);

/// Throws Error, with the byte offset in the pickle: corrupt, unsupported (compressed files), limit_exceeded
/// (tensors, records, name_bytes).
DistributedMetadata read_metadata(const pickle::Tree& tree, NameArena& names, const Limits& limits);

}  // namespace torchferry
