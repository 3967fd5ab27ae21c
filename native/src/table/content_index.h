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
#include "table/walk.h"

namespace torchferry {

/// Everything that an opened checkpoint knows. Built by the reader of its format, then immutable but for the lists
/// that are made on demand, which a mutex guards.
struct Checkpoint::State {
  std::shared_ptr<const ByteSource> source;
  OpenOptions options;
  Format format = Format::zip;

  std::optional<ZipArchive> archive;  ///< for records that must be inflated
  std::vector<std::byte> pickle;      ///< the tree points into it
  std::string pickle_record;          ///< for messages: "archive/data.pkl"; empty where the pickle is no record
  std::uint64_t pickle_start = 0;     ///< of a pickle that is no record: its byte offset in the file
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
  mutable std::uint32_t inflated_row = kNone;
  mutable std::shared_ptr<const std::vector<std::byte>> inflated;
};

/// Reads the index of a zip archive that torch.save, torch.jit.save or C++ torch::save wrote.
void read_zip_index(Checkpoint::State& state);

/// Reads the index of a file in torch.save's legacy format (PyTorch 0.2 to 1.5): pickles one after the other, then the
/// storages in the order of a list of keys.
void read_legacy_index(Checkpoint::State& state);

/// Reads the index of a tar archive of PyTorch 0.1: storages and tensors are listed by keys, and the object refers to
/// them.
void read_tar_index(Checkpoint::State& state);

/// Reads the header of a safetensors file.
void read_safetensors_index(Checkpoint::State& state);

/// Interprets `state.tree` with the container's storages: fills in rows, entries and names.
class StorageDirectory;
void read_content(Checkpoint::State& state, const StorageDirectory& storages, std::size_t expected_tensors,
                  bool swap_bytes);

}  // namespace torchferry
