#pragma once

#include <ATen/core/Tensor.h>
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

namespace torchferry {

struct AotiOptions {
  /// Which of the package's models: packages made by aoti_compile_and_package have one of this name.
  std::string model = "model";
  /// Instances of the model, which share its constants: as many calls run at the same time, others wait.
  std::size_t runners = 1;
  /// The folder for the unpacked package. Empty: what TMPDIR names, else /tmp. Programs must be allowed to
  /// run there.
  std::filesystem::path folder{};
};

/// A model that torch.export and AOTInductor compiled ahead of time
/// (torch._inductor.aoti_compile_and_package): a .pt2 package, whose shared library is unpacked into a folder
/// of its own and loaded into the process. **That runs its code: only load packages that you trust.** The
/// folder is removed with the module.
///
/// The compiled code is made for one kind of device, and for the dtype, size and strides of each constant.
/// Its constants are what the exported model's parameters and buffers were, by their names in the state dict;
/// compiling leaves out what the code does not need, such as a batch norm's counter.
///
/// Every function may be called from any thread. As many calls of forward run at once as there are runners;
/// load_state_dict waits for those that run and keeps later ones waiting, so that each sees the constants
/// before or after. Loading takes one lock for the whole process.
class AotiModule {
 public:
  /// torch._inductor.aoti_load_package(path). `device`: of the type that the package was compiled for. Throws
  /// Error(io, corrupt, device_unavailable), Error(unsupported) for a package that was compiled for another
  /// device, processor or libtorch or that has no constants or no library in it, Error(invalid_argument) for
  /// a model that it does not have. Nothing is left behind then.
  static AotiModule load(const std::filesystem::path& path, const Device& device, const AotiOptions& options = {});
  static AotiModule load(std::span<const std::byte> bytes, const Device& device, const std::string& name,
                         const AotiOptions& options = {});

  /// Copies of the constants, by their names in the exported model's state dict and in its modules' order.
  StateDict state_dict() const;
  /// nn.Module.load_state_dict(state_dict, strict, assign) as far as compiled code allows. All constants that
  /// come from parameters and buffers are expected; those made by the code itself keep their values. Values
  /// are copied into the model's own memory, converted to its dtype, device and strides. With `assign` the
  /// model uses the state dict's memory instead, which must have just the dtype, device and strides that the
  /// code was compiled for. A batch norm's num_batches_tracked is not unexpected, though no constant has that
  /// name. Everything is checked before the first byte moves, so an error leaves the model as it was. Throws
  /// IncompatibleKeysError with PyTorch's text.
  IncompatibleKeys load_state_dict(const StateDict& state_dict, bool strict = true, bool assign = false);
  /// The dry run of load_state_dict.
  LoadStateReport check_state_dict(const StateDict& state_dict, bool strict = true, bool assign = false) const;

  /// Runs the model without gradients. Inputs and results are flat lists of tensors, in the order in which
  /// the exported model's arguments and results flatten (torch.utils._pytree). Inputs must have the dtypes,
  /// sizes and strides that the model was exported for, which is checked (unless the variable
  /// AOTI_RUNTIME_CHECK_INPUTS is 0). Throws Error(invalid_argument) when they do not fit, and in the model's
  /// words when it fails.
  std::vector<at::Tensor> forward(std::span<const at::Tensor> inputs) const;

  /// What the package says of itself: "AOTI_DEVICE_KEY", "AOTI_CPU_ISA", and what was passed as
  /// `aot_inductor.metadata`.
  const std::map<std::string, std::string>& metadata() const;
  const Device& device() const;
  /// The name of the model in the package.
  const std::string& name() const;

 private:
  struct State;
  explicit AotiModule(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace torchferry
