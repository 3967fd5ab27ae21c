#pragma once

#include <ATen/core/Tensor.h>
#include <torchferry/script_module.h>
#include <torchferry/state_dict.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace torchferry {

/// A place of a module that a state dict's tensor is copied to.
struct Slot {
  std::string name;   ///< inside its module: "weight"
  at::Tensor tensor;  ///< the module's own
  bool parameter = false;
  /// The module's version that introduced it: a state dict of an older or unknown version may lack it, and
  /// the slot keeps its value.
  std::int64_t since_version = 0;
};

/// One module of a tree: what load_state_dict needs to know of it, whatever kind of module it is.
struct ModuleSlots {
  std::string prefix;                 ///< "" for the root, else with its dot: "layer1.0."
  std::vector<Slot> slots;            ///< parameters, then persistent buffers, in order of registration
  std::vector<std::string> children;  ///< names of submodules, also those registered as None
};

/// nn.Module.load_state_dict for the modules of a tree, listed parents first and depth first. Checks
/// everything, then copies: when it throws Error(incompatible_keys), with PyTorch's text, no tensor has
/// changed. `type_name` is the root's class, for that text.
IncompatibleKeys load_state_dict(const std::string& type_name, std::span<const ModuleSlots> modules,
                                 const StateDict& state_dict, bool strict);

}  // namespace torchferry
