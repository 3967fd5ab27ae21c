#pragma once

#include <ATen/core/Tensor.h>
#include <torchferry/checkpoint.h>
#include <torchferry/load_options.h>
#include <torchferry/plan.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace torchferry {

class Arrivals;
class StreamingLoad;

/// How a load went.
struct LoadReport {
  std::chrono::nanoseconds plan{0};      ///< placement
  std::chrono::nanoseconds transfer{0};  ///< mapping, reading, copying
  std::chrono::nanoseconds tensors{0};   ///< building views
  std::uint64_t bytes_mapped = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_copied_to_devices = 0;
  /// Of those, bytes that went through page-locked staging buffers (with what separates the storages in the file).
  std::uint64_t bytes_pinned = 0;
  /// Tensors left out because they cannot be loaded, with the reason: (key, reason).
  std::vector<std::pair<std::string, std::string>> skipped;
};

/// Versions of modules as a state dict's `_metadata` gives them: the module's prefix without the last dot and
/// its version, in the file's order.
using ModuleVersions = std::vector<std::pair<std::string, std::int64_t>>;

/// Ordered names and tensors, as nn.Module.state_dict() gives. Immutable as a container; tensors are ordinary
/// at::Tensors, which share storages as they did when they were saved, on every device. Cheap to copy
/// (shared); safe to read from any thread.
class StateDict {
 public:
  /// Places the checkpoint's entries. Mirrors torch.load(..., map_location=...) for tensors. `path` is the
  /// place in the content that the entries are named from, whose `_metadata` becomes versions(). Nothing is
  /// left behind when it throws: Error(device_unavailable, corrupt, io, out_of_memory, cancelled, unsupported
  /// when two entries have the same key). Tensors that cannot be represented are left out and listed in
  /// report().skipped, unless there is no other among `entries`: then the reason is thrown as
  /// Error(unsupported).
  ///
  /// Mapped CPU tensors view the checkpoint's one private mapping: they may be written to, the file never
  /// changes, and another load from the same open checkpoint sees what was written. Tensors of a checkpoint
  /// opened on the caller's memory view that memory; load with `mmap` off to write to them.
  static StateDict load(const Checkpoint& checkpoint, std::span<const Entry> entries,
                        const LoadOptions& options = {}, std::vector<std::string> path = {});
  static StateDict load(const Checkpoint& checkpoint, const LoadOptions& options = {});
  /// From tensors of the caller's, under names that are all different. `parameters` marks the parameters;
  /// left out, tensors that require gradients count as such. Throws Error(invalid_argument).
  static StateDict of(std::vector<std::pair<std::string, at::Tensor>> items,
                      std::vector<bool> parameters = {});

  std::size_t size() const noexcept;
  const std::string_view& key(std::size_t index) const noexcept;
  const at::Tensor& tensor(std::size_t index) const noexcept;
  bool is_parameter(std::size_t index) const noexcept;
  /// Index of a key.
  std::optional<std::size_t> find(std::string_view key) const;

  const LoadReport& report() const noexcept;
  /// `_metadata` of the source. Empty when the file has none.
  const ModuleVersions& versions() const;
  bool has_metadata() const;
  /// Items of the dict that this was loaded from, all of it, which hold no tensor (an `_extra_state`, an epoch): they are
  /// not in this dict, and load_state_dict tells of them. What selects or renames items leaves them behind.
  const std::vector<OtherItem>& other_items() const;

  /// Items by index, in the order given, under new names where `keys` is not empty (one for each index, all
  /// different). Tensors are shared. `versions` are those of the modules under their new names; left out,
  /// they stay as they are. Throws Error(invalid_argument).
  StateDict select(std::span<const std::size_t> indices, std::vector<std::string> keys = {},
                   std::optional<ModuleVersions> versions = std::nullopt) const;
  /// All items under new names, one for each, in order. The versions follow: a module whose tensors all moved to
  /// one new prefix has its version there. Throws Error(invalid_argument) that names both items when two would
  /// have the same name.
  StateDict renamed(std::vector<std::string> names) const;
  /// torch.nn.modules.utils.consume_prefix_in_state_dict_if_present(state_dict, prefix): `prefix` ("module.")
  /// taken off the names and the versions' modules that start with it, once; the others keep theirs. Throws
  /// Error(invalid_argument) as `renamed` does.
  StateDict with_prefix_stripped(std::string_view prefix) const;
  /// What belongs to one module ("encoder", "layers.0"), named relative to it: names and versions below it with
  /// its name and the dot taken off. Empty when there is none.
  StateDict submodule(std::string_view module) const;
  /// All tensors on `device`: one copy for each storage; tensors that share a storage share it there too.
  /// Tensors that are there already stay the same objects. Throws Error(device_unavailable, out_of_memory,
  /// unsupported for a tensor that the device's backend cannot build, invalid_argument for a meta tensor,
  /// which has no bytes to move).
  StateDict to(const Device& device) const;
  /// Floating point tensors converted; tensors that are one and the same stay one and the same, and views of
  /// one storage stay views of one storage as far as they had one dtype. Throws Error(invalid_argument)
  /// unless `dtype` is a floating point type, Error(unsupported) where libtorch has no conversion.
  StateDict cast(DType dtype) const;
  /// Bytes of distinct storages on each device; the meta device's count what they would take.
  std::map<Device, std::uint64_t> bytes_by_device() const;

 private:
  friend class StreamingLoad;
  struct State;
  /// `arrivals` (may be null) hears of the storages, and has tensors that the dict takes over.
  static StateDict load(const Checkpoint& checkpoint, std::span<const Entry> entries, const LoadOptions& options,
                        std::vector<std::string> path, Arrivals* arrivals);
  explicit StateDict(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace torchferry
