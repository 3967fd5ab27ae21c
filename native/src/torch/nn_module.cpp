#include <torch/nn/module.h>
#include <torchferry/load_state_dict.h>

#include <utility>

#include "torch/translate_errors.h"

namespace torchferry {
namespace {

using torch::nn::Module;

/// The batch norms' version that brought `num_batches_tracked`; C++ modules record no versions of their own.
constexpr std::int64_t kBatchesTracked = 2;

/// The class's name as Python would have it: "Net" of "app::NetImpl".
std::string type_name_of(const Module& module) {
  std::string name = module.name();
  const std::size_t colon = name.rfind("::");
  if (colon != name.npos) name.erase(0, colon + 2);
  constexpr std::string_view kImpl = "Impl";
  if (name.size() > kImpl.size() && name.ends_with(kImpl)) name.erase(name.size() - kImpl.size());
  return name;
}

void list_slots(const Module& module, const std::string& prefix, std::vector<ModuleSlots>& modules) {
  ModuleSlots own{prefix, {}, {}, {}};
  for (const auto& parameter : module.named_parameters(/*recurse=*/false)) {
    own.slots.push_back({parameter.key(), parameter.value(), true, 0, {}});
  }
  const auto buffers = module.named_buffers(/*recurse=*/false);
  const bool batch_norm = buffers.contains("running_mean") && buffers.contains("running_var");
  for (const auto& buffer : buffers) {
    const bool since = batch_norm && buffer.key() == "num_batches_tracked";
    own.slots.push_back({buffer.key(), buffer.value(), false, since ? kBatchesTracked : 0, {}});
  }
  const auto children = module.named_children();
  for (const auto& child : children) own.children.push_back(child.key());
  modules.push_back(std::move(own));
  for (const auto& child : children) list_slots(*child.value(), prefix + child.key() + ".", modules);
}

std::vector<ModuleSlots> slots_of(const Module& module) {
  std::vector<ModuleSlots> modules;
  list_slots(module, "", modules);
  return modules;
}

}  // namespace

StateDict state_dict(const Module& module) {
  return translated(ErrorCode::unsupported, [&] { return state_dict_of(slots_of(module)); });
}

IncompatibleKeys load_state_dict(Module& module, const StateDict& state_dict, bool strict, bool assign) {
  return translated(ErrorCode::unsupported, [&] {
    return load_state_dict(type_name_of(module), slots_of(module), state_dict, strict, assign);
  });
}

LoadStateReport check_state_dict(const Module& module, const StateDict& state_dict, bool strict, bool assign) {
  return translated(ErrorCode::unsupported, [&] {
    return check_state_dict(type_name_of(module), slots_of(module), state_dict, strict, assign);
  });
}

}  // namespace torchferry
