#pragma once

#include <torchferry/content.h>
#include <torchferry/save.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "io/byte_sink.h"
#include "torch/storage_stream.h"

namespace torchferry {

/// One file of a save, ready to be written.
class SavedFile {
 public:
  virtual ~SavedFile() = default;
  virtual std::uint64_t tensor_bytes() const = 0;
  virtual std::uint64_t other_bytes() const = 0;  ///< about
  virtual void write(ByteSink& file, StorageStream& stream) const = 0;
};

/// Items by number, and the file that they go into.
struct Shard {
  std::filesystem::path path;
  std::vector<std::size_t> members;  ///< ascending
};

struct ShardPlan {
  std::vector<Shard> shards;
  std::optional<std::string> index;  ///< the text of the index; none where one file holds all

  static std::filesystem::path index_path(const std::filesystem::path& path);
};

/// Something that must stay in one file: numbers of items and their bytes together.
struct ShardGroup {
  std::vector<std::size_t> members;
  std::uint64_t nbytes = 0;
};

/// Fills one shard after the other, in order. `keys` are the names of all items, by number. Throws
/// Error(invalid_argument) for a name that an index cannot hold, where one is needed.
ShardPlan plan_shards(const std::filesystem::path& path, const std::vector<ShardGroup>& groups,
                      const std::vector<std::string>& keys, std::optional<std::uint64_t> max_bytes);

std::unique_ptr<SavedFile> index_file(std::string text);

/// Content as named tensors: a state dict, or a dict of names and tensors.
class FlatContent {
 public:
  /// Throws Error(unsupported), with the place, for anything else.
  explicit FlatContent(const Content& content);

  const std::vector<std::string>& keys() const noexcept { return keys_; }
  const at::Tensor& tensor(std::size_t index) const noexcept { return tensors_[index]; }

  /// Shards of a format that keeps sharing: tensors of one storage stay together.
  ShardPlan plan(const std::filesystem::path& path, std::uint64_t max_bytes) const;
  /// Content of the same kind with these members alone.
  Content part(std::span<const std::size_t> members) const;

 private:
  std::vector<ShardGroup> groups() const;

  Content content_;
  std::vector<std::string> keys_;
  std::vector<at::Tensor> tensors_;
};

}  // namespace torchferry
