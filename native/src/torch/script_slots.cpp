#include "torch/script_slots.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace torchferry {

using torch::jit::Module;

namespace {

/// The BatchNorm family's version that brought `num_batches_tracked`.
constexpr std::int64_t kBatchesTracked = 2;

/// Class name and module of a class as Python wrote them: "__torch__.torch.nn.modules.batchnorm.BatchNorm2d".
std::string qualified_type(const Module& module) {
  const auto name = module.type()->name();
  return name ? name->qualifiedName() : std::string();
}

bool is_batch_norm(const Module& module) {
  const std::string type = qualified_type(module);
  return type.starts_with("__torch__.torch.nn.modules.batchnorm.");
}

/// The class's name for an instance norm without running statistics, else "".
std::string untracked_instance_norm(const Module& module) {
  if (!qualified_type(module).starts_with("__torch__.torch.nn.modules.instancenorm.")) return {};
  const c10::IValue tracks = module.attr("track_running_stats", c10::IValue());
  return tracks.isBool() && !tracks.toBool() ? class_name(module) : std::string();
}

void list_slots(const Module& module, const std::string& prefix, std::vector<ModuleSlots>& modules) {
  ModuleSlots own{prefix, {}, {}, untracked_instance_norm(module)};
  const auto object = module._ivalue();
  const auto type = object->type();
  const bool batch_norm = is_batch_norm(module);
  std::vector<Slot> buffers;
  for (std::size_t i = 0; i < type->numAttributes(); ++i) {
    const c10::IValue& value = object->getSlot(i);
    if (!value.isTensor() || !value.toTensor().defined()) continue;
    const bool parameter = type->is_parameter(i);
    if (!parameter && !type->is_buffer(i)) continue;
    const std::string& name = type->getAttributeName(i);
    const bool since = batch_norm && name == "num_batches_tracked";
    (parameter ? own.slots : buffers).push_back(
        {name, value.toTensor(), parameter, since ? kBatchesTracked : 0,
         [object, i](at::Tensor tensor) { object->setSlot(i, std::move(tensor)); }});
  }
  std::move(buffers.begin(), buffers.end(), std::back_inserter(own.slots));
  const auto children = module.named_children();
  for (const auto& child : children) own.children.push_back(child.name);
  modules.push_back(std::move(own));
  for (const auto& child : children) list_slots(child.value, prefix + child.name + ".", modules);
}

}  // namespace

std::string class_name(const Module& module) {
  const auto name = module.type()->name();
  return name ? name->name() : std::string("ScriptModule");
}

std::vector<ModuleSlots> slots_of(const Module& module) {
  std::vector<ModuleSlots> modules;
  list_slots(module, "", modules);
  return modules;
}

void collect_moved(const Module& module, Rebuilding& move, std::vector<Replacement>& moved) {
  const auto object = module._ivalue();
  const auto type = object->type();
  for (std::size_t i = 0; i < type->numAttributes(); ++i) {
    const c10::IValue& value = object->getSlot(i);
    if (value.isModule()) {
      collect_moved(Module(value.toObject()), move, moved);
    } else if ((type->is_parameter(i) || type->is_buffer(i)) && value.isTensor() &&
               value.toTensor().defined()) {
      moved.push_back({object, i, move(value.toTensor())});
    }
  }
}

}  // namespace torchferry
