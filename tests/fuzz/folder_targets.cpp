#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "fuzz/reading.h"
#include "fuzz/targets.h"
#include "io/byte_source.h"
#include "io/temp_file.h"
#include "pickle/machine.h"
#include "table/distributed_metadata.h"
#include "table/shard_list.h"

// Targets whose input is the index of a folder: the files beside it are sound and stay, so that an index that is
// nearly right gets far. An index that no file can fit is refused before it reaches the disk.

namespace torchferry::fuzz {
namespace {

namespace fs = std::filesystem;

/// A copy of a fixture's folder, whose index is written anew for each input.
class FolderOf {
 public:
  FolderOf(const char* fixture, std::string index) : index_(std::move(index)) {
    const fs::path from = fs::path(TORCHFERRY_ROOT) / "tests/java/core/resources/fixtures" / fixture;
    for (const auto& entry : fs::directory_iterator(from)) {
      if (entry.path().filename() != index_) fs::copy_file(entry.path(), folder_.path() / entry.path().filename());
    }
  }

  fs::path with(Bytes index) const {
    const fs::path path = folder_.path() / index_;
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(index.data()), static_cast<std::streamsize>(index.size()));
    if (!file.flush()) throw std::runtime_error("no file can be written in " + folder_.path().native());
    return path;
  }

  bool holds(const std::string& name) const {
    return name.find('/') == name.npos && name.find('\0') == name.npos && fs::exists(folder_.path() / name);
  }

 private:
  testing::TempDirectory folder_;
  const std::string index_;
};

/// Errors name the index or a file beside it.
void require_in_folder(const Error& error, const fs::path& folder) {
  require_fitting(error, error.file());
  if (fs::path(error.file()).parent_path() != folder) throw BrokenPromise(error.what());
}

void read_folder(const fs::path& index) {
  OpenOptions options;
  options.limits.depth = 1'100;  // so deep that the files are read by this thread alone
  std::optional<Checkpoint> checkpoint;
  try {
    checkpoint = Checkpoint::open(index, options);
  } catch (const Error& error) {
    require_in_folder(error, index.parent_path());
    return;
  }
  folder_contents(*checkpoint);
}

/// What the index's own parser makes of the bytes; nothing when it refuses them.
template <class Read>
auto parsed(Read&& read) -> std::optional<decltype(read())> {
  try {
    return read();
  } catch (const Error& error) {
    const ErrorCode code = error.code();
    if (code == ErrorCode::corrupt || code == ErrorCode::unsupported || code == ErrorCode::limit_exceeded) return {};
    throw BrokenPromise(error.what());
  }
}

bool all_there(const FolderOf& folder, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (!folder.holds(name)) return false;
  }
  return true;
}

}  // namespace

void shards(Bytes input) {
  static const FolderOf tensors("sharded_safetensors.d", "model.safetensors.index.json");
  static const FolderOf pickles("sharded_bin.d", "pytorch_model.bin.index.json");
  NameArena names;
  const auto list =
      parsed([&] { return read_shard_list(*memory_source(input, nullptr, kFile), names, {}); });
  if (!list) return;
  for (const FolderOf* folder : {&tensors, &pickles}) {
    if (all_there(*folder, list->shards)) read_folder(folder->with(input));
  }
}

void metadata(Bytes input) {
  static const FolderOf one("distributed_nested.d", ".metadata");
  static const FolderOf ranks("distributed_ranks.d", ".metadata");
  NameArena names;
  const auto tree = parsed([&] { return pickle::parse(input, {}).tree; });
  if (!tree || !is_distributed_metadata(*tree)) return;
  const auto found = parsed([&] { return read_metadata(*tree, names, {}); });
  if (!found) return;
  for (const FolderOf* folder : {&one, &ranks}) {
    if (all_there(*folder, found->files)) read_folder(folder->with(input));
  }
}

}  // namespace torchferry::fuzz
