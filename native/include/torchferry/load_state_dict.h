#pragma once

#include <ATen/core/Tensor.h>
#include <torchferry/error.h>
#include <torchferry/state_dict.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace torch::nn {
class Module;
}

namespace torchferry {

/// What load_state_dict found, as nn.Module.load_state_dict returns it.
struct IncompatibleKeys {
  std::vector<std::string> missing_keys;
  std::vector<std::string> unexpected_keys;
};

/// What a load would do, found out without doing it.
struct LoadStateReport {
  IncompatibleKeys keys;              ///< in PyTorch's order, whether or not the load is strict
  std::vector<std::string> errors;    ///< what fails even when it is not strict, one text for each tensor
  std::vector<std::string> warnings;  ///< PyTorch's warnings
  std::string message;                ///< the text that the load throws; empty: it would succeed
};

/// Error(incompatible_keys) with the names: those that PyTorch's text lists, so none when the load is not strict.
class IncompatibleKeysError : public Error {
 public:
  IncompatibleKeysError(std::string message, IncompatibleKeys keys)
      : Error(ErrorCode::incompatible_keys, std::move(message)), keys_(std::move(keys)) {}
  const IncompatibleKeys& keys() const noexcept { return keys_; }

 private:
  IncompatibleKeys keys_;
};

/// A place of a module that takes a tensor of a state dict.
struct Slot {
  std::string name;   ///< inside its module: "weight"
  at::Tensor tensor;  ///< the module's own
  bool parameter = false;
  /// The module's version that introduced it: a state dict of an older or unknown version may lack it, and
  /// the slot keeps its value.
  std::int64_t since_version = 0;
  /// How `assign` puts another tensor in the place of `tensor`. Empty: `tensor` itself takes the other's
  /// memory, type and device, so that every handle on it sees that; both must be strided then.
  std::function<void(at::Tensor)> put{};
  /// Code was compiled for `tensor` as it is: `assign` takes only another one of its dtype, device and strides.
  bool compiled = false;
};

/// One module of a tree: what load_state_dict needs to know of it, whatever kind of module it is.
struct ModuleSlots {
  std::string prefix;                 ///< "" for the root, else with its dot: "layer1.0."
  std::vector<Slot> slots;            ///< parameters, then persistent buffers, in order of registration
  std::vector<std::string> children;  ///< names of submodules, also those registered as None
  /// The class's name, for an instance norm that does not track running statistics: it refuses those that files
  /// from before PyTorch 0.4 have. Empty for every other module.
  std::string untracked_instance_norm{};
  /// Names that a state dict may have here though there is no slot for them.
  std::vector<std::string> unneeded{};
};

/// nn.Module.load_state_dict(state_dict, strict, assign) for the modules of a tree, listed parents first and
/// depth first. `type_name` is the root's class, for PyTorch's text. Checks everything, then copies or assigns: when
/// it throws IncompatibleKeysError no tensor has changed. Copying converts dtype and device and keeps the module's
/// tensors; with `assign` the state dict's tensors take their places, requires_grad staying the module's.
/// Warnings go to libtorch's warning handler.
IncompatibleKeys load_state_dict(const std::string& type_name, std::span<const ModuleSlots> modules,
                                 const StateDict& state_dict, bool strict = true, bool assign = false);

/// The dry run of the same: changes nothing and does not throw for what does not fit.
LoadStateReport check_state_dict(const std::string& type_name, std::span<const ModuleSlots> modules,
                                 const StateDict& state_dict, bool strict = true, bool assign = false);

/// The tensors of the slots under their whole names.
StateDict state_dict_of(std::span<const ModuleSlots> modules);

/// A C++ module's parameters and buffers in nn.Module order, by their registered names; the tensors are the
/// module's own.
StateDict state_dict(const torch::nn::Module& module);

/// The same for C++ modules (torch/nn/module.h). `assign` changes the registered tensors in place, so the module's
/// own members, which are handles on them, see it; tied tensors stay tied, and the last one in the module's order
/// wins. Must not run at the same time as anything else on the module.
IncompatibleKeys load_state_dict(torch::nn::Module& module, const StateDict& state_dict, bool strict = true,
                                 bool assign = false);
LoadStateReport check_state_dict(const torch::nn::Module& module, const StateDict& state_dict, bool strict = true,
                                 bool assign = false);

}  // namespace torchferry
