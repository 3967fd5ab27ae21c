#pragma once

#include <torchferry/checkpoint.h>

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "container/zip_archive.h"
#include "io/byte_source.h"
#include "pickle/tree.h"
#include "table/assembly.h"
#include "table/walk.h"

namespace torchferry {

/// One of the files that hold a checkpoint's tensors.
struct TensorFile {
  std::shared_ptr<const ByteSource> source;
  std::optional<ZipArchive> archive;  ///< for records that must be inflated
  bool is_window = false;             ///< a part of another of the files
};

/// Everything that an opened checkpoint knows. Built by the reader of its format, then immutable but for the lists
/// that are made on demand, which a mutex guards.
struct Checkpoint::State {
  std::string name;                          ///< as given to `open`
  std::filesystem::path path;                ///< of the source's file; empty for memory
  std::shared_ptr<const ByteSource> source;  ///< the file, or the index of several
  OpenOptions options;
  Format format = Format::zip;

  std::optional<ZipArchive> archive;  ///< for records that must be inflated
  std::vector<TensorFile> files;      ///< of a checkpoint of several; none: `source` and `archive` are the one
  std::vector<Assembly> assemblies;   ///< tensors that were saved in pieces
  std::vector<std::byte> pickle;      ///< the tree points into it
  std::string pickle_record;          ///< for messages: "archive/data.pkl"; empty where the pickle is no record
  std::uint64_t pickle_start = 0;     ///< of a pickle that is no record: its byte offset in the file
  std::uint64_t save_end = 0;         ///< of a legacy file: where the save that was read ends
  std::optional<pickle::Tree> tree;   ///< none for formats without a pickle: `flat_root` and `flat_metadata` then
  ScriptClasses script_classes;       ///< of a TorchScript archive
  ValuePtr flat_root;
  ValuePtr flat_metadata;
  std::vector<std::uint32_t> row_by_node;
  TensorTable table;
  std::vector<Entry> entries;

  mutable std::mutex mutex;
  mutable NameArena names;
  mutable std::map<std::vector<std::string>, std::vector<Entry>> entries_by_path;
  mutable std::optional<std::vector<std::string>> opaque_globals;
  mutable std::optional<std::uint64_t> save_count;
  mutable std::uint32_t inflated_row = kNone;
  mutable std::shared_ptr<const std::vector<std::byte>> inflated;

  /// Of a storage that is not put together from pieces.
  const ByteSource& source_of(const StorageRow& row) const { return files.empty() ? *source : *files[row.file].source; }
  const std::optional<ZipArchive>& archive_of(const StorageRow& row) const {
    return files.empty() ? archive : files[row.file].archive;
  }
};

/// Reads the index of one file that is a checkpoint by itself. What it throws has its place.
std::unique_ptr<Checkpoint::State> read_lone_file(std::shared_ptr<const ByteSource> source, const OpenOptions& options);

/// Globals of the content that are neither PyTorch's nor plain data, sorted, each once.
std::vector<std::string> opaque_globals_of(const Checkpoint::State& state);

/// Reads the index of a zip archive that torch.save, torch.jit.save or C++ torch::save wrote.
void read_zip_index(Checkpoint::State& state);

/// Reads the index of a file in torch.save's legacy format (PyTorch 0.2 to 1.5): pickles one after the other, then the
/// storages in the order of a list of keys. Of several such saves in one file the one that `options` name.
void read_legacy_index(Checkpoint::State& state);
/// Saves in such a file. Throws Error(io).
std::uint64_t count_legacy_saves(const Checkpoint::State& state);

/// Reads the index of a tar archive of PyTorch 0.1: storages and tensors are listed by keys, and the object refers to
/// them.
void read_tar_index(Checkpoint::State& state);

/// Reads the header of a safetensors file.
void read_safetensors_index(Checkpoint::State& state);

/// Reads a JSON index of shards and the indexes of the shards.
void read_sharded_index(Checkpoint::State& state);

/// Whether a pickle is the `.metadata` of a directory of torch.distributed.checkpoint; reads it into `state.tree`.
bool read_distributed_metadata(Checkpoint::State& state);
/// Reads the rest of such a directory.
void read_distributed_index(Checkpoint::State& state);

/// Interprets `state.tree` with the container's storages: fills in rows, entries and names.
class StorageDirectory;
void read_content(Checkpoint::State& state, const StorageDirectory& storages, std::size_t expected_tensors,
                  bool swap_bytes);

}  // namespace torchferry
