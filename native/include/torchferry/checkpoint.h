#pragma once

#include <torchferry/limits.h>
#include <torchferry/tensor_table.h>
#include <torchferry/value.h>
#include <torchferry/verify.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry {

/// What a file is, decided from its content, never from its name.
enum class Format : std::uint8_t { zip, legacy, tar, torchscript, safetensors, sharded, distributed };

/// "zip", "legacy", "tar", "torchscript", "safetensors", "sharded", "distributed".
std::string_view name(Format format) noexcept;

struct OpenOptions {
  Limits limits;
  /// What errors call a file; empty: its path.
  std::string name;
  /// Like torch.load(weights_only=True): a global outside PyTorch's allow-list is Error(unsafe) naming it. Otherwise
  /// unknown objects stay inert data. No code is run either way.
  bool weights_only = false;
  /// Checks the recorded CRC-32 of the pickle that describes the tensors (PyTorch never does). The sums of tensor
  /// bytes are checked at load: LoadOptions::verify_checksums.
  bool verify_checksums = false;
  /// Which save to read, from 0, where several stand in one file one after the other: what that many calls of
  /// torch.load on one open file would have passed over. Only legacy files can have more than one.
  std::uint64_t save_index = 0;
};

/// A place of the content that looks like a model's state dict.
struct StateDictPlace {
  std::vector<std::string> path;  ///< for `entries`; empty: the whole content
  std::size_t tensors;            ///< listed below it
};

/// An item of a dict that holds no tensor.
struct OtherItem {
  std::string key;
  std::string type;      ///< as Python prints it: "<class 'int'>"
  std::size_t position;  ///< how many tensors are listed before it
};

/// An opened checkpoint's index: what torch.load would read, without reading a byte of any tensor and without
/// libtorch. A cheap handle: copies share one immutable index, safe to use from any thread. Storages that were loaded
/// from it stay valid after the last handle is gone.
class Checkpoint {
 public:
  /// Reads the index of a file; of the shards that an index file lists, which lie beside it; of a directory with one
  /// such index, or of torch.distributed.checkpoint. Throws Error: io, corrupt, unsafe, unsupported, limit_exceeded;
  /// invalid_argument when the file has no save of the number asked for.
  static Checkpoint open(const std::filesystem::path& path, const OpenOptions& options = {});
  /// Bytes in memory; `owner` keeps them alive and unchanged. Nothing is copied to read the index; tensors are
  /// copied when they are loaded, so that nobody writes to memory that is the caller's.
  static Checkpoint open(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string name,
                         const OpenOptions& options = {});

  Format format() const noexcept;
  /// As given to `open`.
  const std::string& name() const noexcept;
  /// Bytes of the file; of all files of a checkpoint that has several.
  std::uint64_t size() const noexcept;

  /// The files that hold tensors: the one, or the shards. A storage's `file` is an index of them.
  std::size_t file_count() const noexcept;
  /// What error messages call a file. Throws Error(invalid_argument) when there is no such file.
  const std::string& file_name(std::uint32_t file) const;

  /// Saves that stand in the file one after the other, as repeated torch.save to one open file leaves them in the legacy
  /// format; 1 for every other format. Those behind the opened one are looked through on the first call. A save that
  /// is damaged counts and hides what is behind it; opening it tells what is wrong. Throws Error(io).
  std::uint64_t save_count() const;

  const TensorTable& table() const noexcept;
  /// Every tensor of the content in the order of a depth-first walk (a module's in state_dict order), named.
  const std::vector<Entry>& entries() const noexcept;
  /// The tensors below one place of the content, named relative to it. A path step is a dict key (the text of a
  /// string, or an integer's digits) or a list index. Throws Error(invalid_argument) that tells what is there when
  /// there is no such place.
  const std::vector<Entry>& entries(std::span<const std::string> path) const;

  /// The content as values. Built anew on each call. Throws Error(unsupported) for containers that contain themselves.
  ValuePtr root() const;
  ValuePtr value(std::span<const std::string> path) const;
  /// The `_metadata` of the OrderedDict at `path` (nn.Module's versions), or null. The metadata of a safetensors file
  /// or of an index of shards, at the empty path.
  ValuePtr metadata(std::span<const std::string> path) const;
  /// Items of the dict at `path` that hold no tensor, in order: what a state dict of it lacks. Empty where there is no
  /// dict, and for formats without a pickle of the whole content.
  std::vector<OtherItem> other_items(std::span<const std::string> path) const;
  /// The outermost places that look like a state dict, in the order of the content: modules, and dicts most of whose
  /// values are tensors under names. Optimizer states are none. At most 64, at most six steps deep.
  std::vector<StateDictPlace> state_dict_places() const;
  /// Names of the globals in the content that are neither PyTorch's nor plain data, sorted, each once.
  const std::vector<std::string>& opaque_globals() const;

  /// The elements of a tensor on the mapped file; nothing is read until they are touched. Lives as long as `keep`
  /// does, which shares the mapping. Throws Error(unsupported) unless `is_plain_range`.
  struct Bytes {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> keep;
  };
  Bytes bytes(const TensorRow& row) const;

  /// Elements [first, first + n) of a strided tensor in row-major order, little-endian, conj and neg resolved, written
  /// to `out` (n × itemsize bytes). Packed quantized types: items of the storage. Reads from the file.
  void read_elements(const TensorRow& row, std::uint64_t first, std::span<std::byte> out) const;

  /// The whole storage as it is in memory (inflated, in host byte order) into `out` (`nbytes` bytes), by positioned
  /// reads. With `verify`, a wrong recorded CRC-32 is Error(corrupt).
  void read_storage(const StorageRow& row, std::span<std::byte> out, bool verify) const;
  /// Part of a storage that is readable in parts, `offset` bytes from its start; where it is put together from pieces,
  /// whole elements.
  void read_storage_range(const StorageRow& row, std::uint64_t offset, std::span<std::byte> out) const;

  /// Reads every byte that the index refers to and compares it with the sums that were recorded. Damage does not stop
  /// it: it is reported, part by part. Throws Error(cancelled) only. The structure was checked by `open`.
  Verification verify(const VerifyOptions& options = {}) const;

  /// Bytes of a file as they stand, by positioned reads. Throws Error(corrupt) beyond its end, Error(io).
  void read_file(std::uint32_t file, std::uint64_t offset, std::span<std::byte> out) const;

  /// Where a storage's bytes are, for messages: the container's record, or the storage's key where there is none.
  std::string record_name(const StorageRow& row) const;

  /// A whole file in memory, for reading: one mapping for all callers, or the caller's memory.
  std::shared_ptr<const std::byte> map(std::uint32_t file = 0) const;
  /// A new mapping on each call, which its holder may write to: the writes are seen by nobody else and never reach
  /// the file. Null unless `can_map_privately`.
  std::shared_ptr<std::byte> map_private(std::uint32_t file = 0) const;
  /// False for memory that was given to `open`: it is the caller's.
  bool can_map_privately() const noexcept;
  /// Whether some of its files lie on a network file system: NFS, SMB, FUSE, Lustre and the like.
  bool is_remote() const noexcept;

  struct State;

 private:
  explicit Checkpoint(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace torchferry
