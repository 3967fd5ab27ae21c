#include <torchferry/script_module.h>

#include <ATen/core/ivalue.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torchferry/devices.h>
#include <torchferry/error.h>

#include <utility>

#include "torch/move.h"
#include "torch/plain_mode.h"
#include "torch/script_files.h"
#include "torch/script_slots.h"
#include "torch/script_values.h"
#include "torch/translate_errors.h"
#include "torch/turn_lock.h"

namespace torchferry {

using torch::jit::Module;

struct ScriptModule::State {
  explicit State(Module loaded) : module(std::move(loaded)) {}

  Module module;
  TurnLock lock;
};

namespace {

std::vector<at::Tensor> tensors_of(const c10::IValue& value, const std::string& called) {
  std::vector<at::Tensor> tensors;
  const auto add = [&](const c10::IValue& one) {
    if (!one.isTensor()) {
      throw Error(ErrorCode::unsupported,
                  called + " gave " + one.tagKind() +
                      " where a tensor, or a tuple or list of tensors, can be handed out; call() gives other values");
    }
    tensors.push_back(one.toTensor());
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

std::string argument_names(const c10::FunctionSchema& schema) {
  std::string names;
  for (std::size_t i = 1; i < schema.arguments().size(); ++i) {  // 0 is self
    names += (names.empty() ? "" : ", ") + schema.arguments()[i].name();
  }
  return names;
}

/// The arguments of a call as the schema wants them, by position; argument 0, self, is left out. Defaults stand for
/// what is not given.
std::vector<c10::IValue> matched(const std::string& called, const c10::FunctionSchema& schema,
                                 std::vector<c10::IValue> values, std::map<std::string, c10::IValue> named) {
  const auto& wanted = schema.arguments();
  const std::size_t most = wanted.size() - 1;
  std::size_t least = most;
  while (least > 0 && wanted[least].default_value()) --least;
  const std::size_t count = values.size() + named.size();
  if (schema.is_vararg()) return values;
  const auto wrong_count = [&] {
    const std::string range =
        least == most ? std::to_string(most) : std::to_string(least) + " to " + std::to_string(most);
    return Error(ErrorCode::invalid_argument, called + " takes " + range + " inputs (" + argument_names(schema) +
                                                  "), but got " + std::to_string(count));
  };
  if (count > most) throw wrong_count();
  std::vector<c10::IValue> arguments;
  for (std::size_t i = 0; i < most; ++i) {
    const c10::Argument& argument = wanted[i + 1];
    const auto given = named.find(argument.name());
    if (i < values.size()) {
      arguments.push_back(coerced(values[i], argument.type(), called + ": " + argument.name()));
    } else if (given != named.end()) {
      arguments.push_back(coerced(given->second, argument.type(), called + ": " + argument.name()));
      named.erase(given);
    } else if (argument.default_value()) {
      arguments.push_back(*argument.default_value());
    } else {
      throw wrong_count();
    }
  }
  if (!named.empty()) {
    throw Error(ErrorCode::invalid_argument, called + " takes no '" + named.begin()->first +
                                                 "' or has it already; it takes (" + argument_names(schema) + ")");
  }
  return arguments;
}

/// Makes all copies, then puts them: nothing fails after the first is put.
void replace_all(const Module& module, Rebuilding& move) {
  std::vector<Replacement> moved;
  collect_moved(module, move, moved);
  for (Replacement& one : moved) one.object->setSlot(one.attribute, std::move(one.tensor));
}

}  // namespace

ScriptModule ScriptModule::load(const std::filesystem::path& path, const Device& device) {
  const c10::Device target = to_c10(require_device(device));
  return ScriptModule(std::make_shared<State>(load_script(path, target)));
}

ScriptModule ScriptModule::load(std::span<const std::byte> bytes, const Device& device,
                                const std::string& name) {
  const c10::Device target = to_c10(require_device(device));
  return ScriptModule(std::make_shared<State>(load_script(bytes, name, target)));
}

void ScriptModule::save(const std::filesystem::path& path) const {
  translated(ErrorCode::unsupported, [&] {
    const TurnLock::Change alone(state_->lock);
    save_script(state_->module, path);
  });
}

StateDict ScriptModule::state_dict() const {
  return translated(ErrorCode::unsupported, [&] {
    const TurnLock::Use use(state_->lock);
    return state_dict_of(slots_of(state_->module));
  });
}

IncompatibleKeys ScriptModule::load_state_dict(const StateDict& state_dict, bool strict, bool assign) {
  return translated(ErrorCode::unsupported, [&] {
    const TurnLock::Change alone(state_->lock);
    return torchferry::load_state_dict(type_name(), slots_of(state_->module), state_dict, strict, assign);
  });
}

LoadStateReport ScriptModule::check_state_dict(const StateDict& state_dict, bool strict, bool assign) const {
  return translated(ErrorCode::unsupported, [&] {
    const TurnLock::Use use(state_->lock);
    return torchferry::check_state_dict(type_name(), slots_of(state_->module), state_dict, strict, assign);
  });
}

void ScriptModule::to(const Device& device) {
  const Device target = require_device(device);
  translated(ErrorCode::unsupported, [&] {
    const PlainMode mode;
    const TurnLock::Change alone(state_->lock);
    MoveTo move(to_c10(target));
    replace_all(state_->module, move);
  });
}

void ScriptModule::cast(DType dtype) {
  require_floating_point(dtype);
  translated(ErrorCode::unsupported, [&] {
    const PlainMode mode;
    const TurnLock::Change alone(state_->lock);
    CastTo cast(static_cast<c10::ScalarType>(dtype));
    replace_all(state_->module, cast);
  });
}

void ScriptModule::train(bool on) {
  translated(ErrorCode::unsupported, [&] {
    const TurnLock::Change alone(state_->lock);
    state_->module.train(on);
  });
}

bool ScriptModule::is_training() const {
  return translated(ErrorCode::unsupported, [&] {
    const TurnLock::Use use(state_->lock);
    return state_->module.is_training();
  });
}

ScriptModule ScriptModule::freeze() const {
  return translated(ErrorCode::unsupported, [&] {
    const PlainMode mode;
    const TurnLock::Change alone(state_->lock);
    if (state_->module.is_training()) {
      throw Error(ErrorCode::invalid_argument, "only a module in eval mode can be frozen: call train(false) first");
    }
    const std::lock_guard lock(script_importer());
    return ScriptModule(std::make_shared<State>(torch::jit::freeze(state_->module)));
  });
}

std::vector<at::Tensor> ScriptModule::forward(std::span<const at::Tensor> inputs) const {
  return run_method("forward", inputs);
}

std::vector<at::Tensor> ScriptModule::run_method(const std::string& method,
                                                 std::span<const at::Tensor> inputs) const {
  const c10::IValue result = call(method, std::vector<c10::IValue>(inputs.begin(), inputs.end()));
  return translated(ErrorCode::unsupported, [&] { return tensors_of(result, type_name() + "." + method); });
}

c10::IValue ScriptModule::call(const std::string& method, std::vector<c10::IValue> arguments,
                               std::map<std::string, c10::IValue> named) const {
  const std::string called = type_name() + "." + method;
  return translated(ErrorCode::invalid_argument, [&] {
    const TurnLock::Use use(state_->lock);
    const auto found = state_->module.find_method(method);
    if (!found) {
      throw Error(ErrorCode::invalid_argument,
                  type_name() + " has no method '" + method + "'; it has: " + method_names(state_->module));
    }
    auto stack = matched(called, found->function().getSchema(), std::move(arguments), std::move(named));
    c10::IValue result;
    {
      const c10::InferenceMode mode;
      result = (*found)(std::move(stack));
    }
    return outside_inference(result);
  });
}

std::string ScriptModule::type_name() const { return class_name(state_->module); }

}  // namespace torchferry
