#include <torchferry/native_module.h>

#include <c10/core/InferenceMode.h>
#include <torch/nn/module.h>
#include <torchferry/devices.h>
#include <torchferry/error.h>

#include <utility>

#include "torch/module_registry.h"
#include "torch/move.h"
#include "torch/plain_mode.h"
#include "torch/script_values.h"
#include "torch/slot_rules.h"
#include "torch/translate_errors.h"
#include "torch/turn_lock.h"

namespace torchferry {

struct NativeModule::State {
  State(std::string name, MadeModule made) : name(std::move(name)), made(std::move(made)) {}

  const std::string name;
  const MadeModule made;
  TurnLock lock;
};

namespace {

/// Makes all tensors anew, then lets the module's take them over: nothing fails after the first does.
void replace_all(torch::nn::Module& module, Rebuilding& rebuild) {
  const PlainMode mode;
  const StateDict own = state_dict(module);
  std::vector<at::Tensor> fresh;
  for (std::size_t i = 0; i < own.size(); ++i) fresh.push_back(rebuild(own.tensor(i)));
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (!fresh[i].is_same(own.tensor(i))) take_over(own.tensor(i), fresh[i]);
  }
}

}  // namespace

std::vector<std::string> NativeModule::names() { return ModuleRegistry::the().names(); }

std::vector<std::string> NativeModule::load_library(const std::filesystem::path& path) {
  return ModuleRegistry::the().load(path);
}

NativeModule NativeModule::create(const std::string& name, const ModuleConfig& config, const Device& device) {
  const Device target = require_device(device);
  const auto make = ModuleRegistry::the().maker(name);
  return translated(ErrorCode::invalid_argument, [&] {
    const PlainMode mode;
    const ModuleConfig used = target.is_meta() ? config.without_weights() : config;
    MadeModule made = make(used);
    used.require_all_used(name);
    NativeModule module(std::make_shared<State>(name, std::move(made)));
    if (!target.is_cpu()) module.to(target);
    return module;
  });
}

StateDict NativeModule::state_dict() const {
  const TurnLock::Use use(state_->lock);
  return torchferry::state_dict(*module());
}

IncompatibleKeys NativeModule::load_state_dict(const StateDict& state_dict, bool strict, bool assign) {
  const TurnLock::Change alone(state_->lock);
  return torchferry::load_state_dict(*module(), state_dict, strict, assign);
}

LoadStateReport NativeModule::check_state_dict(const StateDict& state_dict, bool strict, bool assign) const {
  const TurnLock::Use use(state_->lock);
  return torchferry::check_state_dict(std::as_const(*module()), state_dict, strict, assign);
}

void NativeModule::to(const Device& device) {
  const c10::Device target = to_c10(require_device(device));
  translated(ErrorCode::unsupported, [&] {
    const TurnLock::Change alone(state_->lock);
    MoveTo move(target);
    replace_all(*module(), move);
  });
}

void NativeModule::cast(DType dtype) {
  require_floating_point(dtype);
  translated(ErrorCode::unsupported, [&] {
    const TurnLock::Change alone(state_->lock);
    CastTo cast(static_cast<c10::ScalarType>(dtype));
    replace_all(*module(), cast);
  });
}

void NativeModule::train(bool on) {
  const TurnLock::Change alone(state_->lock);
  module()->train(on);
}

bool NativeModule::is_training() const {
  const TurnLock::Use use(state_->lock);
  return module()->is_training();
}

std::vector<at::Tensor> NativeModule::forward(std::span<const at::Tensor> inputs) const {
  return translated(ErrorCode::invalid_argument, [&] {
    const TurnLock::Use use(state_->lock);
    std::vector<at::Tensor> results;
    {
      const c10::InferenceMode mode;
      results = state_->made.forward(inputs);
    }
    for (at::Tensor& one : results) one = outside_inference(one);
    return results;
  });
}

const std::string& NativeModule::name() const { return state_->name; }

const std::shared_ptr<torch::nn::Module>& NativeModule::module() const { return state_->made.module; }

}  // namespace torchferry
