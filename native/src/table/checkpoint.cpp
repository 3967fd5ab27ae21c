#include <torchferry/checkpoint.h>
#include <torchferry/deep_stack.h>
#include <torchferry/error.h>

#include <algorithm>

#include "base/checked.h"
#include "container/sniff.h"
#include "table/content.h"
#include "table/content_index.h"
#include "table/directory.h"
#include "table/other_items.h"
#include "table/places.h"
#include "table/torch_names.h"
#include "table/value_content.h"
#include "table/values.h"

namespace torchferry {

using pickle::Kind;

std::string_view name(Format format) noexcept {
  switch (format) {
    case Format::zip: return "zip";
    case Format::legacy: return "legacy";
    case Format::tar: return "tar";
    case Format::torchscript: return "torchscript";
    case Format::safetensors: return "safetensors";
    case Format::sharded: return "sharded";
    case Format::distributed: return "distributed";
  }
  return "unknown";
}

namespace {

[[noreturn]] void refuse(const char* what) { throw Error(ErrorCode::unsupported, what); }

void require_known_globals(const Tree& tree) {
  for (NodeId node = 0; node < tree.size(); ++node) {
    if (tree.kind(node) != Kind::global || is_weights_only_global(tree.qualified_name(node))) continue;
    std::string name(tree.qualified_name(node));
    if (name.starts_with("builtins.")) name.erase(0, 9);
    throw Error(ErrorCode::unsafe, {}, {}, tree.offset(node),
                "Unsupported global: GLOBAL " + name + " was not an allowed global by default. Open the file without "
                "weights_only to keep unknown objects as inert data; no code is run either way.");
  }
}

void require_one_save(const Checkpoint::State& state, FileKind kind) {
  if (state.options.save_index == 0 || kind == FileKind::legacy) return;
  throw Error(ErrorCode::invalid_argument, "there is no save " + std::to_string(state.options.save_index) +
                                               ": only files in the legacy format can hold more than one");
}

/// Reads what is a checkpoint by itself, or `kind`'s reason why it is not.
void read_file_index(Checkpoint::State& state, FileKind kind) {
  switch (kind) {
    case FileKind::zip: read_zip_index(state); break;
    case FileKind::legacy: read_legacy_index(state); break;
    case FileKind::tar: read_tar_index(state); break;
    case FileKind::safetensors: read_safetensors_index(state); break;
    case FileKind::flatbuffer:
      refuse("a TorchScript flatbuffer for mobile: it holds a program, not a checkpoint; in Python, "
             "torch.jit.load it and torch.save its state_dict()");
    case FileKind::preview_archive: refuse("an archive of a PyTorch preview release, which PyTorch itself cannot read");
    case FileKind::pickle:
      refuse("a pickle that torch.save did not write (pickle.dump, joblib): load it in Python and torch.save it");
    case FileKind::json: refuse("a JSON file, where a file with tensors is expected");
    case FileKind::unknown:
      throw Error(is_of_others(*state.source) ? ErrorCode::unsupported : ErrorCode::corrupt,
                  "not a PyTorch checkpoint: " + describe_start(*state.source));
  }
  if (state.options.weights_only && state.tree) require_known_globals(*state.tree);
}

void read_index(Checkpoint::State& state) {
  const FileKind kind = sniff(*state.source);
  require_one_save(state, kind);
  if (kind == FileKind::json) return read_sharded_index(state);
  if (kind == FileKind::pickle && read_distributed_metadata(state)) return read_distributed_index(state);
  read_file_index(state, kind);
}

/// Runs `action`, which may walk the content, with the stack that it needs; fills in file and record of the errors that
/// it throws.
template <class Action>
decltype(auto) placed(const Checkpoint::State& state, Action&& action) {
  try {
    return on_stack_for(state.options.limits.depth, action);
  } catch (const Error& error) {
    // Only the pickle's readers give an offset without a record: from the start of the pickle.
    if (!error.record().empty() || !error.offset()) throw error.in(state.source->name());
    throw Error(error.code(), state.source->name(), state.pickle_record, *error.offset() + state.pickle_start,
                error.message());
  }
}

}  // namespace

std::unique_ptr<Checkpoint::State> read_lone_file(std::shared_ptr<const ByteSource> source,
                                                  const OpenOptions& options) {
  auto state = std::make_unique<Checkpoint::State>();
  state->name = source->name();
  state->source = std::move(source);
  state->options = options;
  placed(*state, [&] { read_file_index(*state, sniff(*state->source)); });
  return state;
}

Checkpoint Checkpoint::open(const std::filesystem::path& path, const OpenOptions& options) {
  auto state = std::make_shared<State>();
  state->name = options.name.empty() ? path.native() : options.name;
  state->options = options;
  std::string source_name = state->name;
  if (is_directory_path(path)) {
    const std::optional<std::filesystem::path> index = index_of_directory(path, state->name, options.limits);
    if (!index) {
      require_one_save(*state, FileKind::safetensors);
      read_sliced_directory(*state, path);
      return Checkpoint(std::move(state));
    }
    state->path = *index;
    source_name = (std::filesystem::path(state->name) / index->filename()).native();
  } else {
    state->path = path;
  }
  state->source = open_file(state->path, std::move(source_name));
  // A file without a name, such as a spooled stream, has nothing beside it.
  if (state->path.parent_path() == "/proc/self/fd") state->path.clear();
  placed(*state, [&] { read_index(*state); });
  return Checkpoint(std::move(state));
}

Checkpoint Checkpoint::open(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string name,
                            const OpenOptions& options) {
  auto state = std::make_shared<State>();
  state->name = name;
  state->source = memory_source(bytes, std::move(owner), std::move(name));
  state->options = options;
  placed(*state, [&] { read_index(*state); });
  return Checkpoint(std::move(state));
}

Format Checkpoint::format() const noexcept { return state_->format; }
const std::string& Checkpoint::name() const noexcept { return state_->name; }
std::uint64_t Checkpoint::size() const noexcept {
  std::uint64_t bytes = state_->source ? state_->source->size() : 0;
  for (const TensorFile& file : state_->files) bytes += file.is_window ? 0 : file.source->size();
  return bytes;
}
std::size_t Checkpoint::file_count() const noexcept { return std::max<std::size_t>(state_->files.size(), 1); }
std::uint64_t Checkpoint::save_count() const {
  const State& state = *state_;
  if (state.format != Format::legacy) return 1;
  const std::lock_guard lock(state.mutex);
  if (!state.save_count) state.save_count = placed(state, [&] { return count_legacy_saves(state); });
  return *state.save_count;
}

const TensorTable& Checkpoint::table() const noexcept { return state_->table; }
const std::vector<Entry>& Checkpoint::entries() const noexcept { return state_->entries; }
bool Checkpoint::can_map_privately() const noexcept {
  return !state_->files.empty() || state_->source->can_map_privately();
}

bool Checkpoint::is_remote() const noexcept {
  const auto remote = [](const TensorFile& file) { return file.source->is_remote(); };
  if (std::any_of(state_->files.begin(), state_->files.end(), remote)) return true;
  return state_->source && state_->source->is_remote();
}

namespace {

const ByteSource& file_at(const Checkpoint::State& state, std::uint32_t file) {
  if (state.files.empty() && file == 0) return *state.source;
  if (file < state.files.size()) return *state.files[file].source;
  throw Error(ErrorCode::invalid_argument, state.name, {}, std::nullopt, "there is no file " + std::to_string(file));
}

}  // namespace

const std::string& Checkpoint::file_name(std::uint32_t file) const { return file_at(*state_, file).name(); }
std::shared_ptr<const std::byte> Checkpoint::map(std::uint32_t file) const { return file_at(*state_, file).map(); }
std::shared_ptr<std::byte> Checkpoint::map_private(std::uint32_t file) const {
  return file_at(*state_, file).map_private();
}

const std::vector<Entry>& Checkpoint::entries(std::span<const std::string> path) const {
  const State& state = *state_;
  if (path.empty()) return state.entries;
  const std::lock_guard lock(state.mutex);
  std::vector<std::string> key(path.begin(), path.end());
  if (const auto known = state.entries_by_path.find(key); known != state.entries_by_path.end()) return known->second;
  return *placed(state, [&]() -> const std::vector<Entry>* {
    std::vector<Entry> entries;
    if (state.tree) {
      list_tensors(state, node_at(state, path), state.names, entries);
    } else {
      list_tensors(*value_at(state.flat_root, path), state.names, state.options.limits, entries);
    }
    return &state.entries_by_path.emplace(std::move(key), std::move(entries)).first->second;
  });
}

ValuePtr Checkpoint::value(std::span<const std::string> path) const {
  return placed(*state_, [&] {
    if (!state_->tree) return value_at(state_->flat_root, path);
    return make_value(*state_->tree, node_at(*state_, path), state_->row_by_node, state_->options.limits);
  });
}

ValuePtr Checkpoint::root() const { return value({}); }

ValuePtr Checkpoint::metadata(std::span<const std::string> path) const {
  if (!state_->tree) return path.empty() ? state_->flat_metadata : nullptr;
  return placed(*state_, [&]() -> ValuePtr {
    const Tree& tree = *state_->tree;
    const NodeId node = node_at(*state_, path);
    if (tree.kind(node) != Kind::object || !is_mapping(tree, node)) return nullptr;
    for (const NodeId attributes : attribute_mappings(tree, node)) {
      if (const auto found = mapping_get(tree, attributes, "_metadata")) {
        return make_value(tree, *found, state_->row_by_node, state_->options.limits);
      }
    }
    return nullptr;
  });
}

std::vector<OtherItem> Checkpoint::other_items(std::span<const std::string> path) const {
  if (!state_->tree || state_->format == Format::distributed || state_->format == Format::torchscript) return {};
  return placed(*state_, [&] { return torchferry::other_items(*state_, node_at(*state_, path)); });
}

std::vector<StateDictPlace> Checkpoint::state_dict_places() const {
  return placed(*state_, [&] {
    return state_->tree ? find_state_dicts(*state_) : find_state_dicts(*state_->flat_root, state_->options.limits);
  });
}

const std::vector<std::string>& Checkpoint::opaque_globals() const {
  const State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (!state.opaque_globals) state.opaque_globals = opaque_globals_of(state);
  return *state.opaque_globals;
}

std::vector<std::string> opaque_globals_of(const Checkpoint::State& state) {
  std::vector<std::string> names;
  for (NodeId node = 0; state.tree && node < state.tree->size(); ++node) {
    if (state.tree->kind(node) != Kind::global) continue;
    const std::string_view name = state.tree->qualified_name(node);
    const bool script_class = state.format == Format::torchscript && name.starts_with("__torch__.");
    if (!script_class && !is_weights_only_global(name) && !is_plain_data_global(name)) names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace torchferry
