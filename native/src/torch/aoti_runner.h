#pragma once

#include <ATen/core/Tensor.h>
#include <torchferry/device.h>

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "torch/aoti_package.h"

namespace torchferry {

/// A constant that comes from a parameter or buffer of the exported model.
struct AotiConstant {
  std::string name;  ///< the compiled code's own
  std::string key;   ///< in the exported model's state dict
  bool parameter = false;
  at::Tensor tensor;  ///< a view of the model's memory: only to be used while the runner lives and is not changed
};

/// A compiled model in this process: libtorch's runner of AOTInductor. `run` may be called from as many
/// threads at once as there are runners, and from no more; the rest by one at a time.
class AotiRunner {
 public:
  /// Loads the library, which runs its code. Throws Error(unsupported) when it does not fit this libtorch, or
  /// has no constants in it.
  AotiRunner(AotiPackage package, const Device& device, std::size_t runners);
  ~AotiRunner();

  /// In the order in which the exported model has them.
  std::vector<AotiConstant> constants() const;
  /// To be called when constants were written to: what was computed from them is computed anew by the next
  /// run.
  void constants_changed();
  /// Has the model use other memory for constants, by their own names. The tensors live as long as they are
  /// used.
  void replace(std::unordered_map<std::string, at::Tensor> constants);
  /// Throws Error(invalid_argument, out_of_memory) with the model's own words.
  std::vector<at::Tensor> run(std::vector<at::Tensor> inputs) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace torchferry
