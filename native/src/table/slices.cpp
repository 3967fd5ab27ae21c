#include "table/slices.h"

#include <torchferry/error.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/parallel.h"
#include "container/json_reader.h"
#include "container/sniff.h"
#include "table/content_index.h"
#include "table/directory.h"
#include "table/folder.h"
#include "table/pieces.h"
#include "table/reading_threads.h"
#include "table/value_content.h"

// torch.distributed.checkpoint's safetensors files (HuggingFaceStorageWriter with save_distributed): each rank's file
// has its slices of tensors under the tensors' names, and in __metadata__ a JSON text with the slices' offsets. There
// is no index, and nothing says how large a tensor is: it ends where its last slice does.

namespace torchferry {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOffsets = "DCP_SHARDING_INFO";

/// The JSON text with the offsets; null where the file has none.
const std::string* offsets_text(const Checkpoint::State& file) {
  if (!file.flat_metadata) return nullptr;
  for (const auto& [key, value] : file.flat_metadata->entries) {
    if (key->text == kOffsets && value->kind == Value::Kind::string) return &value->text;
  }
  return nullptr;
}

using Offsets = std::map<std::string, std::vector<std::int64_t>, std::less<>>;

/// {tensor: {"saved_offsets": [...]}}
Offsets read_offsets(const std::string& text) {
  JsonReader json(text);
  Offsets all;
  std::string tensor;
  std::string field;
  json.enter_object();
  while (json.next_key(tensor)) {
    std::vector<std::int64_t> offsets;
    json.enter_object();
    while (json.next_key(field)) {
      if (field != "saved_offsets") {
        json.skip_value();
        continue;
      }
      json.enter_array();
      while (json.next_element()) {
        const std::uint64_t offset = json.unsigned_integer();
        if (offset >> 62 != 0) json.fail("an offset of tensor '" + tensor + "' is too large");
        offsets.push_back(static_cast<std::int64_t>(offset));
      }
    }
    if (!all.emplace(tensor, std::move(offsets)).second) json.fail("tensor '" + tensor + "' stands twice");
  }
  json.finish();
  return all;
}

struct SliceFile {
  std::unique_ptr<Checkpoint::State> content;
  Offsets offsets;
};

/// A slice of a tensor: the row of a file, and where it belongs.
struct Slice {
  std::uint32_t file;
  std::uint32_t row;
  std::vector<std::int64_t> at;
};

class SliceReader {
 public:
  SliceReader(Checkpoint::State& state, const fs::path& directory, std::vector<std::string> names)
      : state_(state), directory_(directory), names_(std::move(names)), files_(names_.size()) {}

  void read() {
    const Folder folder(directory_ / names_[0], name_of(0));
    for_each_parallel(names_.size(), reading_threads(state_.options.limits), [&](std::size_t i) { read_file(folder, i); });
    for (std::uint32_t i = 0; i < files_.size(); ++i) list(i);
    TableBuilder builder(state_.options.limits);
    BoxedTensors tensors(state_, builder);
    for (const std::string_view name : order_) {
      state_.entries.push_back({name, add(name, slices_.at(name), tensors)});
    }
    state_.table = std::move(builder).finish();
    state_.flat_root = dict_of(state_.entries);
  }

 private:
  void read_file(const Folder& folder, std::size_t i) {
    SliceFile& file = files_[i];
    try {
      file.content = read_lone_file(folder.open(names_[i]), state_.options);
      if (const std::string* text = offsets_text(*file.content)) file.offsets = read_offsets(*text);
    } catch (const Error& error) {
      throw error.in(name_of(i), std::string(kOffsets));
    }
  }

  /// What errors call a file.
  std::string name_of(std::size_t i) const { return (fs::path(state_.name) / names_[i]).native(); }

  void list(std::uint32_t number) {
    const SliceFile& file = files_[number];
    state_.files.push_back({file.content->source, std::nullopt});
    for (const Entry& entry : file.content->entries) {
      const auto offsets = file.offsets.find(entry.key);
      const TensorRow& row = file.content->table.tensors()[entry.tensor];
      std::vector<std::int64_t> at = offsets == file.offsets.end() ? std::vector<std::int64_t>(row.dim, 0) : offsets->second;
      auto found = slices_.find(entry.key);
      if (found == slices_.end()) {
        found = slices_.emplace(state_.names.add({}, entry.key, false), std::vector<Slice>()).first;
        order_.push_back(found->first);
      }
      found->second.push_back({number, entry.tensor, std::move(at)});
    }
  }

  const TensorRow& row_of(const Slice& slice) const { return files_[slice.file].content->table.tensors()[slice.row]; }

  std::span<const std::int64_t> size_of(const Slice& slice) const {
    return files_[slice.file].content->table.sizes(row_of(slice));
  }

  std::uint32_t add(std::string_view name, const std::vector<Slice>& slices, BoxedTensors& tensors) const {
    std::vector<std::int64_t> size(row_of(slices[0]).dim, 0);
    std::vector<Box> boxes;
    std::vector<SavedBox> saved;
    for (const Slice& slice : slices) {
      const auto box = size_of(slice);
      if (box.size() != size.size() || slice.at.size() != size.size()) {
        refuse(slice, name, "its slices, or their offsets, have different numbers of dimensions");
      }
      for (std::size_t d = 0; d < size.size(); ++d) size[d] = std::max(size[d], slice.at[d] + box[d]);
      boxes.push_back({slice.at, box});
      if (row_of(slice).numel != 0 || slices.size() == 1) {
        const Checkpoint::State* const content = files_[slice.file].content.get();
        saved.push_back({content, slice.row, slice.file, 0, slice.at});
      }
    }
    std::uint64_t numel = 1;
    for (const std::int64_t extent : size) {
      if (extent < 0 || __builtin_mul_overflow(numel, static_cast<std::uint64_t>(extent), &numel) || numel >> 62 != 0) {
        refuse(slices[0], name, "its size overflows");
      }
    }
    const std::string fault = tiling_fault(size, boxes);
    if (!fault.empty()) refuse(slices[0], name, "it cannot be put together: " + fault);
    return tensors.add({name, row_of(slices[0]).dtype, false, size}, saved);
  }

  [[noreturn]] void refuse(const Slice& slice, std::string_view name, const std::string& why) const {
    throw Error(ErrorCode::corrupt, files_[slice.file].content->name, std::string(kOffsets), std::nullopt,
                "tensor '" + std::string(name) + "': " + why);
  }

  Checkpoint::State& state_;
  const fs::path directory_;
  const std::vector<std::string> names_;
  std::vector<SliceFile> files_;
  std::unordered_map<std::string_view, std::vector<Slice>> slices_;
  std::vector<std::string_view> order_;
};

bool is_safetensors_name(const std::string& name) { return name.ends_with(".safetensors"); }

}  // namespace

bool holds_slices(const fs::path& directory, const std::vector<std::string>& names) {
  const auto first = std::find_if(names.begin(), names.end(), is_safetensors_name);
  if (first == names.end()) return false;
  try {
    const auto source = open_file(directory / *first);
    return sniff(*source) == FileKind::safetensors && offsets_text(*read_lone_file(source, {})) != nullptr;
  } catch (const Error&) {
    return false;  // it is named in the list of what is there
  }
}

void read_sliced_directory(Checkpoint::State& state, const fs::path& directory) {
  state.format = Format::distributed;
  // The directory itself has no bytes, and its name is what errors without a file of their own name.
  state.source = memory_source({}, nullptr, state.name);
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator entries(directory, failed), end; !failed && entries != end; entries.increment(failed)) {
    std::string name = entries->path().filename().native();
    if (is_safetensors_name(name)) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  if (failed || names.empty()) {
    throw Error(ErrorCode::io, state.name, {}, std::nullopt, "the directory changed while it was read");
  }
  SliceReader(state, directory, std::move(names)).read();
}

}  // namespace torchferry
