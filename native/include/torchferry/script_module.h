#pragma once

#include <torchferry/device.h>
#include <torchferry/load_state_dict.h>
#include <torchferry/state_dict.h>

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace c10 {
struct IValue;
}

namespace torchferry {

/// A TorchScript module (torch::jit::Module), always loaded with an explicit device. Loading a TorchScript
/// file can run code that the file contains: only load modules that you trust; checkpoints are data and are
/// not affected.
///
/// Every function may be called from any thread. Forward and the other methods run on several threads at once;
/// what changes the module (load_state_dict, to, cast, train) or needs it still (save, freeze) waits for those that
/// run and keeps later ones waiting, so that each sees the module before or after, never in between. Loading, saving
/// and freezing take one lock for the whole process, because libtorch keeps the types of all modules in one place.
class ScriptModule {
 public:
  /// torch.jit.load(path, map_location=device). Throws Error(io, corrupt, device_unavailable).
  static ScriptModule load(const std::filesystem::path& path, const Device& device);
  static ScriptModule load(std::span<const std::byte> bytes, const Device& device, const std::string& name);
  /// torch.jit.save(module, path). The file appears whole or not at all. Throws Error(io).
  void save(const std::filesystem::path& path) const;

  /// Parameters and persistent buffers in nn.Module order; tensors are the module's own.
  StateDict state_dict() const;
  /// nn.Module.load_state_dict(state_dict, strict, assign): copies values into the module's own tensors, converting
  /// dtype and device, or with `assign` puts the state dict's tensors in their places. Everything is checked before
  /// the first byte moves, so an error leaves the module as it was. Throws IncompatibleKeysError with PyTorch's text.
  IncompatibleKeys load_state_dict(const StateDict& state_dict, bool strict = true, bool assign = false);
  /// The dry run of load_state_dict.
  LoadStateReport check_state_dict(const StateDict& state_dict, bool strict = true, bool assign = false) const;
  /// Module.to(device): parameters and buffers, tied ones staying tied. Throws Error(device_unavailable, out_of_memory).
  void to(const Device& device);
  /// Module.to(dtype): floating point parameters and buffers. Throws Error(invalid_argument) for other types.
  void cast(DType dtype);
  void train(bool on);
  bool is_training() const;
  /// torch.jit.freeze(module): a new module whose weights are constants of its code, which libtorch can optimise
  /// further. It has no state dict any more. Throws Error(invalid_argument) for a module in training mode.
  ScriptModule freeze() const;
  /// Runs forward without gradients (inference mode). Tensors in; a tensor, or a tuple or list of tensors,
  /// out.
  std::vector<at::Tensor> forward(std::span<const at::Tensor> inputs) const;
  std::vector<at::Tensor> run_method(const std::string& method, std::span<const at::Tensor> inputs) const;
  /// Calls a method in inference mode with any values in and out (ATen/core/ivalue.h). Lists, tuples and dicts may hold
  /// elements of type Any: they are rebuilt with the types that the method wants. `named` are keyword arguments;
  /// defaults stand for what is missing. Throws Error(invalid_argument) for a method, count or type that does not fit,
  /// and in libtorch's words when the method itself fails.
  c10::IValue call(const std::string& method, std::vector<c10::IValue> arguments,
                   std::map<std::string, c10::IValue> named = {}) const;
  /// Name of the class as Python wrote it, for messages: "Sequential".
  std::string type_name() const;

 private:
  struct State;
  explicit ScriptModule(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace torchferry
