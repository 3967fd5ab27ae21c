#pragma once

#include <torchferry/device.h>
#include <torchferry/dtype.h>
#include <torchferry/load_state_dict.h>
#include <torchferry/module_config.h>
#include <torchferry/state_dict.h>

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace torchferry {

/// A C++ module (torch::nn::Module) that is made by its name. Built in: torchvision's resnet18, resnet34, resnet50,
/// resnet101 and resnet152, with the names, shapes and numerics of that library and its random initial weights; options
/// "num_classes" (1000) and "init" (true; false leaves zeros, for modules that are about to be loaded). Others are
/// registered by the application (torchferry/register_module.h).
///
/// Every function may be called from any thread. forward runs on several threads at once; what changes the module
/// waits for those that run and keeps later ones waiting.
class NativeModule {
 public:
  /// The names that `create` knows, sorted.
  static std::vector<std::string> names();
  /// Loads a shared library that registers modules, and gives their names; a library that is loaded already gives them
  /// again. It stays loaded. It runs its code: only load what you trust. Throws Error(io) when the system cannot load
  /// it, Error(unsupported) when it was compiled for another Torchferry or libtorch, Error(invalid_argument) when it
  /// registers nothing or a name that is taken; none of its names is known then.
  static std::vector<std::string> load_library(const std::filesystem::path& path);

  /// Throws Error(invalid_argument) for a name or option that is not there, Error(device_unavailable). On the meta
  /// device no weights are made: load_state_dict with `assign` gives the module its weights.
  static NativeModule create(const std::string& name, const ModuleConfig& config = {},
                             const Device& device = Device::cpu());

  /// Parameters and buffers in nn.Module order; the tensors are the module's own.
  StateDict state_dict() const;
  /// load_state_dict of torchferry/load_state_dict.h. What C++ torch::save(module, path) wrote is a state dict too:
  /// StateDict::load reads it, and here its names and shapes are checked, which torch::load does not do.
  IncompatibleKeys load_state_dict(const StateDict& state_dict, bool strict = true, bool assign = false);
  LoadStateReport check_state_dict(const StateDict& state_dict, bool strict = true, bool assign = false) const;
  /// Module.to(device), tied tensors staying tied. Throws Error(device_unavailable, out_of_memory).
  void to(const Device& device);
  /// Module.to(dtype): floating point tensors. Throws Error(invalid_argument) for other types.
  void cast(DType dtype);
  void train(bool on);
  bool is_training() const;
  /// Runs forward in inference mode. Throws Error(invalid_argument) in libtorch's words when it fails.
  std::vector<at::Tensor> forward(std::span<const at::Tensor> inputs) const;
  /// The name that it was made by.
  const std::string& name() const;
  /// The module itself (torch/nn/module.h), without a lock.
  const std::shared_ptr<torch::nn::Module>& module() const;

 private:
  struct State;
  explicit NativeModule(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace torchferry
