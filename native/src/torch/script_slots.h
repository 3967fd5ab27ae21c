#pragma once

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/api/module.h>
#include <torchferry/load_state_dict.h>

#include <string>
#include <vector>

#include "torch/move.h"

namespace torchferry {

/// Name of the module's class as Python wrote it: "Sequential".
std::string class_name(const torch::jit::Module& module);

/// The module's own tensors in nn.Module's order. TorchScript keeps no mark of buffers that were not
/// persistent, so those are listed too, as Python's ScriptModule lists them.
std::vector<ModuleSlots> slots_of(const torch::jit::Module& module);

/// An attribute of a module and the tensor that it shall get.
struct Replacement {
  c10::intrusive_ptr<c10::ivalue::Object> object;
  std::size_t attribute;
  at::Tensor tensor;
};

/// Lists what `move` makes of the parameters and buffers of a module and its children.
void collect_moved(const torch::jit::Module& module, Rebuilding& move, std::vector<Replacement>& moved);

}  // namespace torchferry
