#include "table/directory.h"

#include <torchferry/error.h>

#include <algorithm>
#include <string>
#include <system_error>
#include <vector>

#include "container/sniff.h"
#include "io/byte_source.h"
#include "table/shard_list.h"
#include "table/slices.h"

namespace torchferry {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostShown = 12;
/// Index files are small; other JSON files beside a model may not be.
constexpr std::uint64_t kLargestOtherJson = std::uint64_t{64} << 20;

std::string quoted_list(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kMostShown; ++i) text += (i != 0 ? ", '" : "'") + names[i] + "'";
  return names.size() > kMostShown ? text + ", …" : text;
}

/// The names of the files in a directory, sorted.
std::vector<std::string> files_in(const fs::path& directory, const std::string& shown) {
  std::error_code failed;
  std::vector<std::string> names;
  for (fs::directory_iterator entries(directory, failed), end; !failed && entries != end; entries.increment(failed)) {
    std::error_code unknown;
    if (!entries->is_directory(unknown)) names.push_back(entries->path().filename().native());
  }
  if (failed) {
    throw Error(ErrorCode::io, shown, {}, std::nullopt, "the directory cannot be listed: " + failed.message());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// An index with an index's usual name that passes the limit is one: reading it says so.
bool is_index(const fs::path& path, bool has_usual_name, const Limits& limits) {
  const std::uint64_t largest =
      has_usual_name ? limits.directory_bytes : std::min(limits.directory_bytes, kLargestOtherJson);
  try {
    const auto source = open_file(path);
    if (sniff(*source) != FileKind::json) return false;
    return source->size() > largest ? has_usual_name : lists_shards(*source);
  } catch (const Error&) {
    return false;  // what cannot be read is no index; the error that lists the files names it
  }
}

/// The index files among the names: those with an index's usual name, and others only when there is none.
std::vector<std::string> indexes_among(const fs::path& directory, const std::vector<std::string>& names,
                                       const Limits& limits) {
  std::vector<std::string> usual;
  std::vector<std::string> others;
  for (const std::string& name : names) {
    if (!name.ends_with(".json")) continue;
    const bool has_usual_name = name.ends_with(".index.json");
    if (!has_usual_name && !usual.empty()) continue;
    if (is_index(directory / name, has_usual_name, limits)) (has_usual_name ? usual : others).push_back(name);
  }
  return usual.empty() ? others : usual;
}

bool is_checkpoint(const fs::path& path) {
  try {
    const auto source = open_file(path);
    switch (sniff(*source)) {
      case FileKind::zip:
      case FileKind::legacy:
      case FileKind::tar:
      case FileKind::safetensors: return true;
      default: return false;
    }
  } catch (const Error&) {
    return false;
  }
}

[[noreturn]] void refuse(const fs::path& directory, const std::string& shown, const std::vector<std::string>& names) {
  std::vector<std::string> found;
  std::vector<std::string> ranks;
  for (const std::string& name : names) {
    if (name.ends_with(".metadata") && name.starts_with("__")) ranks.push_back(name);
    if (is_checkpoint(directory / name)) found.push_back(name);
  }
  std::string message = "the directory has neither an index of shards nor the .metadata of torch.distributed.checkpoint";
  if (std::find(names.begin(), names.end(), ".metadata.tmp") != names.end()) {
    message = "the directory has .metadata.tmp, but no .metadata: torch.distributed.checkpoint was interrupted before "
              "the checkpoint was whole";
  } else if (!ranks.empty()) {
    message += "; open the index of one rank: " + quoted_list(ranks);
  } else if (!found.empty()) {
    message += "; open one of its checkpoint files: " + quoted_list(found);
  } else if (!names.empty()) {
    message += "; there is: " + quoted_list(names);
  } else {
    message = "the directory is empty";
  }
  throw Error(ErrorCode::io, shown, {}, std::nullopt, message);
}

}  // namespace

bool is_directory_path(const fs::path& path) noexcept {
  std::error_code unknown;
  return fs::is_directory(path, unknown);
}

std::optional<fs::path> index_of_directory(const fs::path& directory, const std::string& name, const Limits& limits) {
  const std::vector<std::string> names = files_in(directory, name);
  const std::vector<std::string> indexes = indexes_among(directory, names, limits);
  if (indexes.size() == 1) return directory / indexes[0];
  if (!indexes.empty()) {
    throw Error(ErrorCode::io, name, {}, std::nullopt,
                "the directory has several indexes of shards; open one of them: " + quoted_list(indexes));
  }
  if (std::find(names.begin(), names.end(), ".metadata") != names.end()) return directory / ".metadata";
  if (holds_slices(directory, names)) return std::nullopt;
  refuse(directory, name, names);
}

}  // namespace torchferry
