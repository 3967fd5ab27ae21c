#pragma once

#include <torchferry/limits.h>
#include <torchferry/value.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/byte_source.h"
#include "table/walk.h"

namespace torchferry {

/// What an index of shards says: which tensor is in which file.
struct ShardList {
  struct Listed {
    std::string_view key;  ///< in the arena
    std::uint32_t shard;
  };
  std::vector<std::string> shards;  ///< distinct names, in order of first appearance
  std::vector<Listed> tensors;      ///< in the order of the index; no key twice
  ValuePtr metadata;                ///< null where there is none
};

/// Reads an index. Throws Error: unsupported (JSON without a weight_map), corrupt, limit_exceeded (directory_bytes,
/// tensors, name_bytes, records, pickle_nodes).
ShardList read_shard_list(const ByteSource& source, NameArena& names, const Limits& limits);

/// Whether a JSON file is an index of shards: an object with an object "weight_map". Throws Error.
bool lists_shards(const ByteSource& source);

}  // namespace torchferry
