#include <torchferry/aoti_module.h>

#include <torchferry/devices.h>
#include <torchferry/error.h>

#include <cstddef>
#include <semaphore>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "torch/aoti_package.h"
#include "torch/aoti_runner.h"
#include "torch/plain_mode.h"
#include "torch/translate_errors.h"
#include "torch/turn_lock.h"

namespace torchferry {
namespace {

using Replaced = std::unordered_map<std::string, at::Tensor>;

/// Python's class for such a model, for PyTorch's texts.
constexpr const char* kTypeName = "AOTICompiledModel";
constexpr std::ptrdiff_t kMostRunners = 1024;

/// The modules that the constants' names tell of, children in order of their first constant.
struct Node {
  std::vector<Slot> slots;
  std::vector<std::pair<std::string, Node>> children;

  Node& child(std::string_view name) {
    for (auto& [known, node] : children) {
      if (known == name) return node;
    }
    return children.emplace_back(std::string(name), Node{}).second;
  }

  bool has(std::string_view name) const {
    for (const Slot& slot : slots) {
      if (slot.name == name) return true;
    }
    return false;
  }

  void list(const std::string& prefix, std::vector<ModuleSlots>& modules) && {
    ModuleSlots own{prefix, {}, {}, {}, {}};
    // Only training counts batches, so the compiled code has no such constant, and every state dict has it.
    if (has("running_mean") && has("running_var")) own.unneeded.push_back("num_batches_tracked");
    own.slots = std::move(slots);
    for (const auto& [name, node] : children) own.children.push_back(name);
    modules.push_back(std::move(own));
    for (auto& [name, node] : children) std::move(node).list(prefix + name + ".", modules);
  }
};

/// With `replaced`, what `assign` puts in the constants' places is collected there.
std::vector<ModuleSlots> slots_of(const AotiRunner& runner, Replaced* replaced) {
  Node root;
  for (AotiConstant& constant : runner.constants()) {
    Node* module = &root;
    std::string_view name = constant.key;
    for (std::size_t dot; (dot = name.find('.')) != name.npos; name.remove_prefix(dot + 1)) {
      module = &module->child(name.substr(0, dot));
    }
    Slot slot{std::string(name), std::move(constant.tensor), constant.parameter, 0, {}, true};
    if (replaced != nullptr) {
      slot.put = [replaced, own = constant.name](at::Tensor tensor) {
        replaced->insert_or_assign(own, std::move(tensor));
      };
    }
    module->slots.push_back(std::move(slot));
  }
  std::vector<ModuleSlots> modules;
  std::move(root).list("", modules);
  return modules;
}

std::ptrdiff_t checked_runners(std::size_t runners) {
  if (runners < 1 || runners > static_cast<std::size_t>(kMostRunners)) {
    throw Error(ErrorCode::invalid_argument,
                "runners must be from 1 to " + std::to_string(kMostRunners) + ", and is " + std::to_string(runners));
  }
  return static_cast<std::ptrdiff_t>(runners);
}

}  // namespace

struct AotiModule::State {
  State(const std::shared_ptr<const ByteSource>& source, const Device& on, const AotiOptions& options)
      : State(unpack_aoti(source, options.model, on, options.folder), on, options) {}

  State(AotiPackage package, const Device& on, const AotiOptions& options)
      : name(options.model), device(on), metadata(package.metadata),
        runner(std::move(package), on, options.runners), free_runners(static_cast<std::ptrdiff_t>(options.runners)) {}

  const std::string name;
  const Device device;
  const std::map<std::string, std::string> metadata;
  AotiRunner runner;
  TurnLock lock;
  /// libtorch's own queue for a free runner can wait for ever when a call in front of it fails.
  std::counting_semaphore<kMostRunners> free_runners;

  static std::shared_ptr<State> load(const std::shared_ptr<const ByteSource>& source, const Device& device,
                                     const AotiOptions& options) {
    checked_runners(options.runners);
    const Device target = require_device(device);
    try {
      const PlainMode mode;
      return std::make_shared<State>(source, target, options);
    } catch (const Error& error) {
      throw error.in(source->name());
    }
  }
};

AotiModule AotiModule::load(const std::filesystem::path& path, const Device& device, const AotiOptions& options) {
  return AotiModule(State::load(open_file(path), device, options));
}

AotiModule AotiModule::load(std::span<const std::byte> bytes, const Device& device, const std::string& name,
                            const AotiOptions& options) {
  return AotiModule(State::load(memory_source(bytes, nullptr, name), device, options));
}

StateDict AotiModule::state_dict() const {
  return translated(ErrorCode::unsupported, [&] {
    const PlainMode mode;
    const TurnLock::Use use(state_->lock);
    std::vector<ModuleSlots> modules = slots_of(state_->runner, nullptr);
    for (ModuleSlots& module : modules) {
      for (Slot& slot : module.slots) slot.tensor = slot.tensor.clone();
    }
    return state_dict_of(modules);
  });
}

IncompatibleKeys AotiModule::load_state_dict(const StateDict& state_dict, bool strict, bool assign) {
  return translated(ErrorCode::unsupported, [&] {
    const PlainMode mode;
    const TurnLock::Change alone(state_->lock);
    Replaced replaced;
    const std::vector<ModuleSlots> modules = slots_of(state_->runner, assign ? &replaced : nullptr);
    try {
      IncompatibleKeys keys = torchferry::load_state_dict(kTypeName, modules, state_dict, strict, assign);
      assign ? state_->runner.replace(std::move(replaced)) : state_->runner.constants_changed();
      return keys;
    } catch (const IncompatibleKeysError&) {
      throw;
    } catch (...) {
      state_->runner.constants_changed();  // some may have been copied when a device failed
      throw;
    }
  });
}

LoadStateReport AotiModule::check_state_dict(const StateDict& state_dict, bool strict, bool assign) const {
  return translated(ErrorCode::unsupported, [&] {
    const TurnLock::Use use(state_->lock);
    Replaced ignored;
    return torchferry::check_state_dict(kTypeName, slots_of(state_->runner, assign ? &ignored : nullptr), state_dict,
                                        strict, assign);
  });
}

std::vector<at::Tensor> AotiModule::forward(std::span<const at::Tensor> inputs) const {
  const c10::Device device = to_c10(state_->device);
  for (const at::Tensor& input : inputs) {
    if (input.device() != device) {
      throw Error(ErrorCode::invalid_argument, "the model is on " + state_->device.str() + ", and an input is on " +
                                                   input.device().str() + "; move it there first");
    }
  }
  const PlainMode mode;
  const TurnLock::Use use(state_->lock);
  struct Turn {
    explicit Turn(std::counting_semaphore<kMostRunners>& free) : free(free) { free.acquire(); }
    ~Turn() { free.release(); }
    std::counting_semaphore<kMostRunners>& free;
  } const turn(state_->free_runners);
  return state_->runner.run({inputs.begin(), inputs.end()});
}

const std::map<std::string, std::string>& AotiModule::metadata() const { return state_->metadata; }

const Device& AotiModule::device() const { return state_->device; }

const std::string& AotiModule::name() const { return state_->name; }

}  // namespace torchferry
