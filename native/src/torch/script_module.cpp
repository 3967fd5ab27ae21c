#include <torchferry/script_module.h>

#include <ATen/core/ivalue.h>
#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torchferry/devices.h>
#include <torchferry/error.h>

#include <algorithm>
#include <exception>
#include <iterator>
#include <mutex>
#include <utility>

#include "io/byte_source.h"
#include "torch/move.h"
#include "torch/plain_mode.h"
#include "torch/translate_errors.h"
#include "torch/views.h"

namespace torchferry {

using torch::jit::Module;

struct ScriptModule::State {
  Module module;
};

namespace {

/// The BatchNorm family's version that brought `num_batches_tracked`.
constexpr std::int64_t kBatchesTracked = 2;

/// Lets libtorch's reader read one of our sources. An error of the source is kept, not thrown through
/// libtorch's zip code: the reader is told that there are no bytes and fails by itself.
class SourceAdapter final : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit SourceAdapter(std::shared_ptr<const ByteSource> source) : source_(std::move(source)) {}

  std::size_t size() const override { return static_cast<std::size_t>(source_->size()); }

  std::size_t read(std::uint64_t position, void* to, std::size_t size, const char*) const override {
    try {
      source_->read_at(position, {static_cast<std::byte*>(to), size});
      return size;
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      return 0;
    }
  }

  void rethrow_error() const {
    const std::lock_guard lock(mutex_);
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::shared_ptr<const ByteSource> source_;
  mutable std::mutex mutex_;
  mutable std::exception_ptr error_;
};

/// libtorch's importer registers types in places that all modules share.
std::mutex& importer() {
  static std::mutex mutex;
  return mutex;
}

/// Refuses what is no TorchScript, and a damaged file before libtorch sees it: its reader follows the sizes
/// in the pickle beyond the end of a record that is too short. What our reader merely does not know is
/// libtorch's to judge.
template <class Open>
void refuse_damaged(const Open& open) {
  try {
    const Checkpoint checkpoint = open();
    if (checkpoint.format() == Format::torchscript) return;
    throw Error(ErrorCode::corrupt, checkpoint.name(), {}, std::nullopt,
                "not a TorchScript module but a checkpoint of format " +
                    std::string(name(checkpoint.format())) + "; load its tensors as a state dict");
  } catch (const Error& error) {
    if (error.code() == ErrorCode::corrupt || error.code() == ErrorCode::io) throw;
  }
}

Module load_from(const std::shared_ptr<const ByteSource>& source, const c10::Device& target) {
  const auto adapter = std::make_shared<SourceAdapter>(source);
  try {
    return translated(ErrorCode::corrupt, [&] {
      const PlainMode mode;
      const std::lock_guard lock(importer());
      return torch::jit::load(adapter, target);
    });
  } catch (const Error& error) {
    adapter->rethrow_error();
    throw error.in(source->name());
  }
}

/// Class name and module of a class as Python wrote them: "__torch__.torch.nn.modules.batchnorm.BatchNorm2d".
std::string qualified_type(const Module& module) {
  const auto name = module.type()->name();
  return name ? name->qualifiedName() : std::string();
}

std::string last_atom(const Module& module) {
  const auto name = module.type()->name();
  return name ? name->name() : std::string("ScriptModule");
}

bool is_batch_norm(const Module& module) {
  const std::string type = qualified_type(module);
  return type.starts_with("__torch__.torch.nn.modules.batchnorm.");
}

/// The class's name for an instance norm without running statistics, else "".
std::string untracked_instance_norm(const Module& module) {
  if (!qualified_type(module).starts_with("__torch__.torch.nn.modules.instancenorm.")) return {};
  const c10::IValue tracks = module.attr("track_running_stats", c10::IValue());
  return tracks.isBool() && !tracks.toBool() ? last_atom(module) : std::string();
}

/// The module's own tensors in nn.Module's order. TorchScript keeps no mark of buffers that were not
/// persistent, so those are listed too, as Python's ScriptModule lists them.
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

std::vector<ModuleSlots> slots_of(const Module& module) {
  std::vector<ModuleSlots> modules;
  list_slots(module, "", modules);
  return modules;
}

/// An attribute of a module and the tensor that it shall get.
struct Replacement {
  c10::intrusive_ptr<c10::ivalue::Object> object;
  std::size_t attribute;
  at::Tensor tensor;
};

/// Lists what `move` makes of the parameters and buffers of a module and its children.
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

/// A tensor that ordinary code may use and change: inference mode marks its results as its own.
at::Tensor outside_inference(const at::Tensor& tensor) {
  if (!tensor.is_inference()) return tensor;
  const PlainMode mode;
  if (tensor.layout() != c10::kStrided || tensor.is_nested() || tensor.is_quantized() ||
      !tensor.has_storage()) {
    return tensor.clone();
  }
  at::Tensor result = view_on(tensor.storage(), tensor.scalar_type(), tensor.sizes(), tensor.strides(),
                              tensor.storage_offset());
  set_flags(result, {.conj = tensor.is_conj(), .neg = tensor.is_neg()});
  return result;
}

std::vector<at::Tensor> tensors_of(const c10::IValue& value, const std::string& called) {
  std::vector<at::Tensor> tensors;
  const auto add = [&](const c10::IValue& one) {
    if (!one.isTensor()) {
      throw Error(ErrorCode::unsupported, called + " gave " + one.tagKind() +
                                              " where a tensor, or a tuple or list of "
                                              "tensors, can be handed out");
    }
    tensors.push_back(outside_inference(one.toTensor()));
  };
  if (value.isTuple()) {
    for (const c10::IValue& one : value.toTupleRef().elements()) add(one);
  } else if (value.isTensorList()) {
    for (const at::Tensor& one : value.toTensorVector()) add(one);
  } else if (value.isList()) {
    for (const c10::IValue& one : value.toListRef()) add(one);
  } else {
    add(value);
  }
  return tensors;
}

std::string method_names(const Module& module) {
  std::string names;
  for (const auto& method : module.get_methods()) names += (names.empty() ? "" : ", ") + method.name();
  return names.empty() ? "none" : names;
}

/// Throws unless `count` tensors can be the arguments, defaults filling up the rest.
void require_arity(const std::string& called, const c10::FunctionSchema& schema, std::size_t count) {
  std::size_t least = 0;
  std::string names;
  const auto& arguments = schema.arguments();
  for (std::size_t i = 1; i < arguments.size(); ++i) {  // 0 is self
    if (!arguments[i].default_value()) ++least;
    names += (names.empty() ? "" : ", ") + arguments[i].name();
  }
  const std::size_t most = arguments.size() - 1;
  if (count >= least && (count <= most || schema.is_vararg())) return;
  const std::string range =
      least == most ? std::to_string(most) : std::to_string(least) + " to " + std::to_string(most);
  throw Error(ErrorCode::invalid_argument,
              called + " takes " + range + " inputs (" + names + "), but got " + std::to_string(count));
}

}  // namespace

ScriptModule ScriptModule::load(const std::filesystem::path& path, const Device& device) {
  const c10::Device target = to_c10(require_device(device));
  refuse_damaged([&] { return Checkpoint::open(path); });
  return ScriptModule(std::make_shared<State>(State{load_from(open_file(path), target)}));
}

ScriptModule ScriptModule::load(std::span<const std::byte> bytes, const Device& device,
                                const std::string& name) {
  const c10::Device target = to_c10(require_device(device));
  const auto borrowed = std::shared_ptr<const void>(bytes.data(), [](const void*) {});
  refuse_damaged([&] { return Checkpoint::open(bytes, borrowed, name); });
  return ScriptModule(
      std::make_shared<State>(State{load_from(memory_source(bytes, borrowed, name), target)}));
}

StateDict ScriptModule::state_dict() const {
  return translated(ErrorCode::unsupported, [&] {
    std::vector<std::pair<std::string, at::Tensor>> items;
    std::vector<bool> parameters;
    for (const ModuleSlots& module : slots_of(state_->module)) {
      for (const Slot& slot : module.slots) {
        items.emplace_back(module.prefix + slot.name, slot.tensor);
        parameters.push_back(slot.parameter);
      }
    }
    return StateDict::of(std::move(items), std::move(parameters));
  });
}

IncompatibleKeys ScriptModule::load_state_dict(const StateDict& state_dict, bool strict, bool assign) {
  return translated(ErrorCode::unsupported, [&] {
    return torchferry::load_state_dict(type_name(), slots_of(state_->module), state_dict, strict, assign);
  });
}

LoadStateReport ScriptModule::check_state_dict(const StateDict& state_dict, bool strict, bool assign) const {
  return translated(ErrorCode::unsupported, [&] {
    return torchferry::check_state_dict(type_name(), slots_of(state_->module), state_dict, strict, assign);
  });
}

void ScriptModule::to(const Device& device) {
  const Device target = require_device(device);
  translated(ErrorCode::unsupported, [&] {
    const PlainMode mode;
    MoveTo move(to_c10(target));
    std::vector<Replacement> moved;
    collect_moved(state_->module, move, moved);
    // All copies are made; from here on nothing can fail.
    for (Replacement& one : moved) one.object->setSlot(one.attribute, std::move(one.tensor));
  });
}

void ScriptModule::train(bool on) {
  translated(ErrorCode::unsupported, [&] { state_->module.train(on); });
}

bool ScriptModule::is_training() const {
  return translated(ErrorCode::unsupported, [&] { return state_->module.is_training(); });
}

std::vector<at::Tensor> ScriptModule::forward(std::span<const at::Tensor> inputs) const {
  return run_method("forward", inputs);
}

std::vector<at::Tensor> ScriptModule::run_method(const std::string& method,
                                                 std::span<const at::Tensor> inputs) const {
  const std::string called = type_name() + "." + method;
  return translated(ErrorCode::invalid_argument, [&] {
    const auto found = state_->module.find_method(method);
    if (!found) {
      throw Error(ErrorCode::invalid_argument,
                  type_name() + " has no method '" + method + "'; it has: " + method_names(state_->module));
    }
    require_arity(called, found->function().getSchema(), inputs.size());
    c10::IValue result;
    {
      const c10::InferenceMode mode;
      result = (*found)(std::vector<c10::IValue>(inputs.begin(), inputs.end()));
    }
    return tensors_of(result, called);
  });
}

std::string ScriptModule::type_name() const { return last_atom(state_->module); }

}  // namespace torchferry
