#include <torchferry/load_state_dict.h>

#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "torch/plain_mode.h"
#include "torch/slot_rules.h"
#include "torch/translate_errors.h"

namespace torchferry {
namespace {

constexpr std::string_view kExtraState = "_extra_state";

std::string quoted(const std::vector<std::string>& keys) {
  std::string text;
  for (const std::string& key : keys) text += (text.empty() ? "\"" : ", \"") + key + "\"";
  return text;
}

struct Move {
  std::string key;
  const Slot* slot;
  at::Tensor from;
};

class Loading {
 public:
  Loading(std::span<const ModuleSlots> modules, const StateDict& state_dict, bool assign)
      : modules_(modules), state_dict_(state_dict), assign_(assign) {
    for (const OtherItem& item : state_dict.other_items()) others_.emplace(item.key, item.type);
  }

  LoadStateReport check(const std::string& type_name, bool strict) {
    for (const ModuleSlots& module : modules_) check_module(module);
    find_unexpected();
    report_.message = message_of(type_name, strict);
    return report_;
  }

  IncompatibleKeys run(const std::string& type_name, bool strict) {
    check(type_name, strict);
    for (const std::string& warning : report_.warnings) TORCH_WARN(warning);
    if (!report_.message.empty()) {
      throw IncompatibleKeysError(report_.message, strict ? report_.keys : IncompatibleKeys{});
    }
    assign_ ? assign() : copy();
    return report_.keys;
  }

 private:
  std::optional<std::int64_t> version_of(const std::string& prefix) const {
    const std::string path = prefix.substr(0, prefix.empty() ? 0 : prefix.size() - 1);
    const ModuleVersions& versions = state_dict_.versions();
    const auto version =
        std::find_if(versions.begin(), versions.end(), [&](const auto& one) { return one.first == path; });
    if (version == versions.end()) return std::nullopt;
    return version->second;
  }

  void check_module(const ModuleSlots& module) {
    if (!module.untracked_instance_norm.empty()) check_untracked(module);
    for (const Slot& slot : module.slots) {
      std::string key = module.prefix + slot.name;
      if (const auto index = state_dict_.find(key)) {
        check_tensor(std::move(key), slot, state_dict_.tensor(*index));
      } else if (const auto other = others_.find(key); other != others_.end()) {
        report_.errors.push_back("While copying the parameter named \"" + key +
                                 "\", expected torch.Tensor or Tensor-like object from checkpoint but received " +
                                 std::string(other->second));
      } else if (slot.since_version == 0 || version_of(module.prefix).value_or(0) >= slot.since_version) {
        report_.keys.missing_keys.push_back(std::move(key));
      } else if (assign_ && slot.tensor.is_meta()) {
        moves_.push_back({std::move(key), &slot, at::zeros(slot.tensor.sizes(), slot.tensor.scalar_type())});
      }
    }
  }

  /// Files from before PyTorch 0.4 have running statistics that an instance norm does not track any more.
  void check_untracked(const ModuleSlots& module) {
    if (version_of(module.prefix)) return;
    std::string names;
    for (const char* name : {"running_mean", "running_var"}) {
      const auto index = state_dict_.find(module.prefix + name);
      if (!index) continue;
      names += (names.empty() ? "\"" : " and \"") + module.prefix + name + "\"";
      reported_.insert(*index);
    }
    if (names.empty()) return;
    const std::string& type = module.untracked_instance_norm;
    report_.errors.push_back(
        "Unexpected running stats buffer(s) " + names + " for " + type +
        " with track_running_stats=False. If state_dict is a checkpoint saved before 0.4.0, this may be expected "
        "because " + type + " does not track running stats by default since 0.4.0. Please remove these keys from "
        "state_dict. If the running stats are actually needed, instead set track_running_stats=True in " + type +
        " to enable them. See the documentation of " + type + " for details.");
  }

  void check_tensor(std::string key, const Slot& slot, at::Tensor from) {
    const at::Tensor& to = slot.tensor;
    if (from.is_nested()) {
      report_.errors.push_back("While copying the parameter named \"" + key +
                               "\", expected an ordinary tensor from checkpoint but received a nested tensor.");
      return;
    }
    // Before PyTorch 0.4 there were no tensors without dimensions.
    if (to.dim() == 0 && from.dim() == 1 && from.size(0) == 1 && from.layout() == c10::kStrided)
      from = from.select(0, 0);
    if (!from.sizes().equals(to.sizes())) {
      report_.errors.push_back("size mismatch for " + key + ": copying a param with shape " + size_text(from) +
                               " from checkpoint, the shape in current model is " + size_text(to) + ".");
      return;
    }
    if (to.is_meta() && !assign_) {
      if (!from.is_meta()) report_.warnings.push_back(no_op(key));
      return;
    }
    const std::string reason = assign_ ? rules_.assign_refusal(slot, from) : rules_.copy_refusal(to, from);
    if (!reason.empty()) {
      report_.errors.push_back(copy_failure(key, to, from, reason));
      return;
    }
    moves_.push_back({std::move(key), &slot, std::move(from)});
  }

  static std::string no_op(const std::string& key) {
    return "for " + key +
           ": copying from a non-meta parameter in the checkpoint to a meta parameter in the current model, which "
           "is a no-op. (Did you mean to pass `assign=True` to assign items in the state dictionary to their "
           "corresponding key in the module instead of copying them in place?)";
  }

  /// The keys of the dict as PyTorch knows it, which holds more than tensors.
  std::vector<std::string_view> keys_to_place() const {
    const auto& others = state_dict_.other_items();
    std::vector<std::string_view> keys;
    for (std::size_t i = 0, other = 0; i <= state_dict_.size(); ++i) {
      for (; other < others.size() && (others[other].position <= i || i == state_dict_.size()); ++other) {
        keys.push_back(others[other].key);
      }
      if (i < state_dict_.size() && !reported_.contains(i)) keys.push_back(state_dict_.key(i));
    }
    return keys;
  }

  /// Each key belongs to the deepest module on its way, which either has the name or does not expect it. The
  /// keys are reported module by module, an extra state that nobody asked for before the others, as PyTorch
  /// does.
  void find_unexpected() {
    std::unordered_map<std::string_view, std::size_t> module_at;
    std::vector<std::unordered_set<std::string_view>> children(modules_.size());
    std::vector<std::unordered_set<std::string_view>> expected(modules_.size());
    for (std::size_t i = 0; i < modules_.size(); ++i) {
      module_at.emplace(modules_[i].prefix, i);
      children[i].insert(modules_[i].children.begin(), modules_[i].children.end());
      for (const Slot& slot : modules_[i].slots) expected[i].insert(slot.name);
      expected[i].insert(modules_[i].unneeded.begin(), modules_[i].unneeded.end());
    }
    const std::vector<std::string_view> keys = keys_to_place();
    std::vector<std::tuple<std::size_t, bool, std::size_t>>
        unexpected;  // module, not extra state, index of the key
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const std::string_view key = keys[i];
      std::size_t begin = 0;
      for (auto module = module_at.find(""); module != module_at.end();) {
        const std::size_t dot = key.find('.', begin);
        const std::string_view name = key.substr(begin, dot == key.npos ? key.npos : dot - begin);
        const bool known = (dot == key.npos ? expected : children)[module->second].contains(name);
        if (!known) unexpected.emplace_back(module->second, dot != key.npos || name != kExtraState, i);
        if (!known || dot == key.npos) break;
        begin = dot + 1;
        module = module_at.find(key.substr(0, begin));
      }
    }
    std::sort(unexpected.begin(), unexpected.end());
    for (const auto& [module, ordinary, index] : unexpected) {
      report_.keys.unexpected_keys.emplace_back(keys[index]);
    }
  }

  std::string message_of(const std::string& type_name, bool strict) const {
    const auto& [missing, unexpected] = report_.keys;
    std::vector<std::string> parts;
    if (strict && !missing.empty()) {
      parts.push_back("Missing key(s) in state_dict: " + quoted(missing) + ". ");
    }
    if (strict && !unexpected.empty()) {
      parts.push_back("Unexpected key(s) in state_dict: " + quoted(unexpected) + ". ");
    }
    parts.insert(parts.end(), report_.errors.begin(), report_.errors.end());
    if (parts.empty()) return {};
    std::string text = "Error(s) in loading state_dict for " + type_name + ":";
    for (const std::string& part : parts) text += "\n\t" + part;
    return text;
  }

  /// Inference mode, because a module's buffers can be inference tensors that its own forward put there.
  void copy() const {
    const c10::InferenceMode mode;
    for (const Move& one : moves_) {
      try {
        translated(ErrorCode::unsupported, [&] { one.slot->tensor.copy_(one.from); });
      } catch (const Error& error) {
        const auto done = static_cast<std::size_t>(&one - moves_.data());
        throw Error(error.code(), copy_failure(one.key, one.slot->tensor, one.from, error.message()) + " " +
                                      std::to_string(done) + " tensors before it were copied.");
      }
    }
  }

  /// A parameter's requires_grad stays the module's.
  void assign() const {
    const PlainMode mode;
    for (const Move& one : moves_) {
      if (!one.slot->put) {
        take_over(one.slot->tensor, one.from);
        continue;
      }
      at::Tensor own = one.from.detach();
      own.set_requires_grad(one.slot->parameter ? one.slot->tensor.requires_grad() : one.from.requires_grad());
      one.slot->put(std::move(own));
    }
  }

  const std::span<const ModuleSlots> modules_;
  const StateDict& state_dict_;
  const bool assign_;
  std::unordered_map<std::string_view, std::string_view> others_;  ///< items that are no tensors: key, Python's type
  SlotRules rules_;
  LoadStateReport report_;
  std::unordered_set<std::size_t> reported_;  ///< keys that an error speaks of, which are not unexpected too
  std::vector<Move> moves_;
};

}  // namespace

IncompatibleKeys load_state_dict(const std::string& type_name, std::span<const ModuleSlots> modules,
                                 const StateDict& state_dict, bool strict, bool assign) {
  return translated(ErrorCode::unsupported,
                    [&] { return Loading(modules, state_dict, assign).run(type_name, strict); });
}

StateDict state_dict_of(std::span<const ModuleSlots> modules) {
  std::vector<std::pair<std::string, at::Tensor>> items;
  std::vector<bool> parameters;
  for (const ModuleSlots& module : modules) {
    for (const Slot& slot : module.slots) {
      items.emplace_back(module.prefix + slot.name, slot.tensor);
      parameters.push_back(slot.parameter);
    }
  }
  return StateDict::of(std::move(items), std::move(parameters));
}

LoadStateReport check_state_dict(const std::string& type_name, std::span<const ModuleSlots> modules,
                                 const StateDict& state_dict, bool strict, bool assign) {
  return translated(ErrorCode::unsupported,
                    [&] { return Loading(modules, state_dict, assign).check(type_name, strict); });
}

}  // namespace torchferry
