#pragma once

#include <torchferry/load_state_dict.h>
#include <torchferry/state_dict.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace torchferry {

/// A TorchScript module (torch::jit::Module), always loaded with an explicit device. Loading a TorchScript
/// file can run code that the file contains: only load modules that you trust; checkpoints are data and are
/// not affected. Not safe for concurrent changes; forward may run on several threads at once while nothing
/// changes the module.
class ScriptModule {
 public:
  /// torch.jit.load(path, map_location=device). Throws Error(io, corrupt, device_unavailable).
  static ScriptModule load(const std::filesystem::path& path, const Device& device);
  static ScriptModule load(std::span<const std::byte> bytes, const Device& device, const std::string& name);

  /// Parameters and persistent buffers in nn.Module order; tensors are the module's own.
  StateDict state_dict() const;
  /// nn.Module.load_state_dict(state_dict, strict, assign): copies values into the module's own tensors, converting
  /// dtype and device, or with `assign` puts the state dict's tensors in their places. Everything is checked before
  /// the first byte moves, so an error leaves the module as it was. Throws IncompatibleKeysError with PyTorch's text.
  IncompatibleKeys load_state_dict(const StateDict& state_dict, bool strict = true, bool assign = false);
  /// The dry run of load_state_dict.
  LoadStateReport check_state_dict(const StateDict& state_dict, bool strict = true, bool assign = false) const;
  void to(const Device& device);
  void train(bool on);
  bool is_training() const;
  /// Runs forward without gradients (inference mode). Tensors in; a tensor, or a tuple or list of tensors,
  /// out.
  std::vector<at::Tensor> forward(std::span<const at::Tensor> inputs) const;
  std::vector<at::Tensor> run_method(const std::string& method, std::span<const at::Tensor> inputs) const;
  /// Name of the class as Python wrote it, for messages: "Sequential".
  std::string type_name() const;

 private:
  struct State;
  explicit ScriptModule(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace torchferry
