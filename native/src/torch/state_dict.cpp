#include <torchferry/devices.h>
#include <torchferry/error.h>
#include <torchferry/state_dict.h>

#include <cstring>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "torch/arrivals.h"
#include "torch/compound.h"
#include "torch/dtype_bridge.h"
#include "torch/key_index.h"
#include "torch/materialise.h"
#include "torch/move.h"
#include "torch/place.h"
#include "torch/plain_mode.h"
#include "torch/translate_errors.h"

namespace torchferry {
namespace {

/// Names in memory of their own, with their index. Shared by state dicts that differ in their tensors only.
class Names {
 public:
  template <class KeyAt>
  Names(std::size_t count, const KeyAt& key_at) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < count; ++i) bytes += key_at(i).size();
    bytes_.reset(new char[bytes]);
    views_.reserve(count);
    char* next = bytes_.get();
    for (std::size_t i = 0; i < count; ++i) {
      const std::string_view key = key_at(i);
      if (!key.empty()) std::memcpy(next, key.data(), key.size());
      views_.emplace_back(next, key.size());
      next += key.size();
    }
  }

  /// Throws `code` when two names are equal.
  void require_distinct(ErrorCode code) {
    if (const auto again = index_.build([this](std::size_t i) { return views_[i]; }, views_.size())) {
      throw Error(code, "two tensors have the name '" + std::string(views_[*again]) +
                            "'; load a part of the content by its path, or rename one");
    }
  }

  std::size_t size() const noexcept { return views_.size(); }
  const std::string_view& operator[](std::size_t i) const noexcept { return views_[i]; }
  std::optional<std::size_t> find(std::string_view key) const {
    return index_.find([this](std::size_t i) { return views_[i]; }, key);
  }

 private:
  std::unique_ptr<char[]> bytes_;
  std::vector<std::string_view> views_;
  KeyIndex index_;
};

/// Module versions, and items that are no tensors, read from the checkpoint when somebody asks: it takes longer than
/// loading does.
class Versions {
 public:
  /// `entries`: how many of the tensors at `path` were loaded.
  Versions(const Checkpoint& checkpoint, std::vector<std::string> path, std::size_t entries)
      : checkpoint_(checkpoint), path_(std::move(path)), entries_(entries) {}
  explicit Versions(std::optional<ModuleVersions> versions)
      : versions_(std::move(versions)) {}

  const std::optional<ModuleVersions>& get() const {
    read_once();
    return versions_;
  }
  const std::vector<OtherItem>& others() const {
    read_once();
    return others_;
  }

 private:
  void read_once() const {
    std::call_once(once_, [this] {
      if (!checkpoint_) return;
      if (checkpoint_->entries(path_).size() == entries_) others_ = checkpoint_->other_items(path_);
      read();
    });
  }

  void read() const {
    // What these formats call metadata is something else.
    const Format format = checkpoint_->format();
    const bool has_versions = format != Format::safetensors && format != Format::sharded;
    const ValuePtr metadata = has_versions ? checkpoint_->metadata(path_) : nullptr;
    checkpoint_.reset();
    if (!metadata || metadata->kind != Value::Kind::dict) return;
    versions_.emplace();
    for (const auto& [module, attributes] : metadata->entries) {
      if (module->kind != Value::Kind::string || attributes->kind != Value::Kind::dict) continue;
      for (const auto& [name, value] : attributes->entries) {
        const bool is_version = name->kind == Value::Kind::string && name->text == "version";
        if (is_version && value->kind == Value::Kind::integer)
          versions_->emplace_back(module->text, value->integer);
      }
    }
  }

  mutable std::once_flag once_;
  mutable std::optional<Checkpoint> checkpoint_;
  mutable std::vector<std::string> path_;
  std::size_t entries_ = 0;
  mutable std::optional<ModuleVersions> versions_;
  mutable std::vector<OtherItem> others_;
};

/// Time since the last call, for the phases of a load.
class Stopwatch {
 public:
  std::chrono::nanoseconds lap() {
    const auto now = std::chrono::steady_clock::now();
    return now - std::exchange(last_, now);
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

[[noreturn]] void rethrow_about(std::string_view key, const Error& error) {
  throw Error(error.code(), error.file(), error.record(), error.offset(),
              "tensor '" + std::string(key) + "': " + error.message());
}

}  // namespace

struct StateDict::State {
  std::shared_ptr<const Names> names;
  std::vector<at::Tensor> tensors;
  std::vector<std::uint8_t> parameters;
  std::shared_ptr<const Versions> versions;
  bool as_loaded = false;  ///< what `versions` knows of other items is true of this dict
  LoadReport report;
};

namespace {

/// Builds the tensors of `entries`, one object for each row; what cannot be built goes to `skipped`.
class Assembly {
 public:
  Assembly(const Checkpoint& checkpoint, std::span<const Entry> entries)
      : table_(checkpoint.table()), entries_(entries), built_at_(table_.tensors().size(), kNone) {
    tensors_.reserve(entries.size());
    parameters_.reserve(entries.size());
  }

  /// `arrivals` (may be null) has tensors that were made before.
  void run(Materialiser& materialiser, LoadReport& report, Arrivals* arrivals) {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const TensorRow& row = table_.tensors()[entries_[i].tensor];
      std::uint32_t& built_at = built_at_[entries_[i].tensor];
      if (built_at != kNone) {
        tensors_.push_back(at::Tensor(tensors_[built_at]));
      } else if (!build(materialiser, arrivals, entries_[i], report)) {
        left_out_.push_back(i);
        continue;
      } else {
        built_at = static_cast<std::uint32_t>(tensors_.size() - 1);
      }
      parameters_.push_back(row.parameter);
    }
  }

  std::shared_ptr<Names> names() const {
    if (left_out_.empty()) {
      return std::make_shared<Names>(entries_.size(), [this](std::size_t i) { return entries_[i].key; });
    }
    std::vector<std::string_view> keys;
    std::size_t next = 0;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (next < left_out_.size() && left_out_[next] == i) {
        ++next;
      } else {
        keys.push_back(entries_[i].key);
      }
    }
    return std::make_shared<Names>(keys.size(), [&keys](std::size_t i) { return keys[i]; });
  }

  std::vector<at::Tensor> tensors() && { return std::move(tensors_); }
  std::vector<std::uint8_t> parameters() && { return std::move(parameters_); }

 private:
  bool build(Materialiser& materialiser, Arrivals* arrivals, const Entry& entry, LoadReport& report) {
    try {
      at::Tensor tensor = arrivals ? arrivals->tensor(entry.tensor) : at::Tensor();
      tensors_.push_back(tensor.defined() ? std::move(tensor) : materialiser.tensor(table_.tensors()[entry.tensor]));
      return true;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unsupported) rethrow_about(entry.key, error);
      report.skipped.emplace_back(entry.key, error.message());
      return false;
    }
  }

  const TensorTable& table_;
  const std::span<const Entry> entries_;
  std::vector<std::uint32_t> built_at_;  // by row: index of its tensor
  std::vector<at::Tensor> tensors_;
  std::vector<std::uint8_t> parameters_;
  std::vector<std::size_t> left_out_;
};

/// Applies `rebuild` to all tensors, naming the one that fails.
std::vector<at::Tensor> rebuilt(Rebuilding& rebuild, const std::vector<at::Tensor>& tensors,
                                const Names& names) {
  const PlainMode mode;
  std::vector<at::Tensor> result;
  result.reserve(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    try {
      result.push_back(translated(ErrorCode::unsupported, [&] { return rebuild(tensors[i]); }));
    } catch (const Error& error) {
      rethrow_about(names[i], error);
    }
  }
  return result;
}

}  // namespace

StateDict StateDict::load(const Checkpoint& checkpoint, std::span<const Entry> entries,
                          const LoadOptions& options, std::vector<std::string> path) {
  return load(checkpoint, entries, options, std::move(path), nullptr);
}

StateDict StateDict::load(const Checkpoint& checkpoint, std::span<const Entry> entries, const LoadOptions& options,
                          std::vector<std::string> path, Arrivals* arrivals) {
  const auto load_all = [&] {
    const PlainMode mode;
    if (options.cast) require_floating_point(*options.cast);
    auto state = std::make_shared<State>();
    LoadReport& report = state->report;
    Stopwatch watch;
    const LoadPlan plan = torchferry::plan(checkpoint, entries, options, torch_catalog());
    report.plan = watch.lap();
    const PlacedStorages placed = place_storages(checkpoint, entries, plan, options, arrivals);
    report.bytes_mapped = placed.bytes_mapped;
    report.bytes_read = placed.bytes_read;
    report.bytes_copied_to_devices = placed.bytes_copied_to_devices;
    report.bytes_pinned = placed.bytes_pinned;
    report.transfer = watch.lap();
    Materialiser materialiser(checkpoint.table(), plan, placed.storages);
    Assembly assembly(checkpoint, entries);
    assembly.run(materialiser, report, arrivals);
    if (!entries.empty() && report.skipped.size() == entries.size()) {
      const auto& [key, reason] = report.skipped.front();
      throw Error(ErrorCode::unsupported, "tensor '" + key + "': " + reason);
    }
    auto names = assembly.names();
    names->require_distinct(ErrorCode::unsupported);
    state->names = std::move(names);
    state->tensors = std::move(assembly).tensors();
    state->parameters = std::move(assembly).parameters();
    state->versions = std::make_shared<Versions>(checkpoint, std::move(path), entries.size());
    state->as_loaded = true;
    if (options.cast) {
      CastTo cast(to_c10(*options.cast));
      state->tensors = rebuilt(cast, state->tensors, *state->names);
    }
    report.tensors = watch.lap();
    return StateDict(std::move(state));
  };
  try {
    return translated(ErrorCode::unsupported, load_all);
  } catch (const Error& error) {
    throw error.in(checkpoint.name());
  }
}

StateDict StateDict::load(const Checkpoint& checkpoint, const LoadOptions& options) {
  return load(checkpoint, checkpoint.entries(), options);
}

StateDict StateDict::of(std::vector<std::pair<std::string, at::Tensor>> items, std::vector<bool> parameters) {
  if (!parameters.empty() && parameters.size() != items.size()) {
    throw Error(ErrorCode::invalid_argument, "as many parameter marks as tensors are needed");
  }
  auto state = std::make_shared<State>();
  auto names = std::make_shared<Names>(items.size(),
                                       [&items](std::size_t i) { return std::string_view(items[i].first); });
  names->require_distinct(ErrorCode::invalid_argument);
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto& [key, tensor] = items[i];
    if (!tensor.defined()) throw Error(ErrorCode::invalid_argument, "tensor '" + key + "' is undefined");
    state->parameters.push_back(parameters.empty() ? tensor.requires_grad() : bool{parameters[i]});
    state->tensors.push_back(std::move(tensor));
  }
  state->names = std::move(names);
  state->versions = std::make_shared<Versions>(std::nullopt);
  return StateDict(std::move(state));
}

std::size_t StateDict::size() const noexcept { return state_->tensors.size(); }
const std::string_view& StateDict::key(std::size_t index) const noexcept { return (*state_->names)[index]; }
const at::Tensor& StateDict::tensor(std::size_t index) const noexcept { return state_->tensors[index]; }
bool StateDict::is_parameter(std::size_t index) const noexcept { return state_->parameters[index] != 0; }
std::optional<std::size_t> StateDict::find(std::string_view key) const { return state_->names->find(key); }
const LoadReport& StateDict::report() const noexcept { return state_->report; }

const ModuleVersions& StateDict::versions() const {
  static const ModuleVersions none;
  const auto& versions = state_->versions->get();
  return versions ? *versions : none;
}

const std::vector<OtherItem>& StateDict::other_items() const {
  static const std::vector<OtherItem> none;
  return state_->as_loaded ? state_->versions->others() : none;
}

bool StateDict::has_metadata() const { return state_->versions->get().has_value(); }

StateDict StateDict::select(std::span<const std::size_t> indices, std::vector<std::string> keys,
                            std::optional<ModuleVersions> versions) const {
  if (!keys.empty() && keys.size() != indices.size()) {
    throw Error(ErrorCode::invalid_argument,
                std::to_string(keys.size()) + " names for " + std::to_string(indices.size()) + " tensors");
  }
  auto state = std::make_shared<State>();
  for (const std::size_t index : indices) {
    if (index >= size()) {
      throw Error(ErrorCode::invalid_argument,
                  "no tensor " + std::to_string(index) + " among " + std::to_string(size()));
    }
    state->tensors.push_back(state_->tensors[index]);
    state->parameters.push_back(state_->parameters[index]);
  }
  auto names = std::make_shared<Names>(indices.size(), [&](std::size_t i) {
    return keys.empty() ? (*state_->names)[indices[i]] : std::string_view(keys[i]);
  });
  names->require_distinct(ErrorCode::invalid_argument);
  state->names = std::move(names);
  state->versions = versions ? std::make_shared<const Versions>(std::move(versions)) : state_->versions;
  state->report = state_->report;
  return StateDict(std::move(state));
}

StateDict StateDict::to(const Device& device) const {
  MoveTo move(torchferry::to_c10(require_device(device)));
  auto state = std::make_shared<State>(*state_);
  state->tensors = rebuilt(move, state_->tensors, *state_->names);
  return StateDict(std::move(state));
}

StateDict StateDict::cast(DType dtype) const {
  require_floating_point(dtype);
  CastTo cast(torchferry::to_c10(dtype));
  auto state = std::make_shared<State>(*state_);
  state->tensors = rebuilt(cast, state_->tensors, *state_->names);
  return StateDict(std::move(state));
}

std::map<Device, std::uint64_t> StateDict::bytes_by_device() const {
  std::map<Device, std::uint64_t> bytes;
  std::unordered_set<const c10::StorageImpl*> seen;
  for (const at::Tensor& tensor : state_->tensors) {
    for (const at::Tensor& component : components_of(tensor)) {
      const c10::Storage& storage = component.storage();
      if (seen.insert(storage.unsafeGetStorageImpl()).second)
        bytes[from_c10(storage.device())] += storage.nbytes();
    }
  }
  return bytes;
}

}  // namespace torchferry
