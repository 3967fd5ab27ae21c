#include "torch/load_state_dict.h"

#include <ATen/MemoryOverlap.h>
#include <ATen/ops/_empty_affine_quantized.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <torchferry/error.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "torch/translate_errors.h"

namespace torchferry {
namespace {

constexpr std::string_view kExtraState = "_extra_state";

std::string size_text(const at::Tensor& tensor) {
  std::string text = "torch.Size([";
  for (std::int64_t i = 0; i < tensor.dim(); ++i) text += (i ? ", " : "") + std::to_string(tensor.size(i));
  return text + "])";
}

/// Python's repr of a string, because PyTorch shows the cause of a failed copy as a tuple.
std::string repr(const std::string& text) {
  const bool has_single = text.find('\'') != std::string::npos;
  const char quote = has_single && text.find('"') == std::string::npos ? '"' : '\'';
  std::string result(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') result += '\\';
    result += c;
  }
  return result + quote;
}

std::string quoted(const std::vector<std::string>& keys) {
  std::string text;
  for (const std::string& key : keys) text += (text.empty() ? "\"" : ", \"") + key + "\"";
  return text;
}

/// The tensor's type as Python shows it: "torch.sparse.FloatTensor".
std::string python_type(const at::Tensor& tensor) {
  std::string text = "torch.";
  if (!tensor.device().is_cpu())
    text += c10::DeviceTypeName(tensor.device().type(), /*lower_case=*/true) + ".";
  if (tensor.layout() == c10::kSparse) text += "sparse.";
  if (tensor.layout() == c10::kSparseCsr) text += "sparse_csr.";
  return text + c10::toString(tensor.scalar_type()) + "Tensor";
}

std::string copy_failure(const std::string& key, const at::Tensor& to, const at::Tensor& from,
                         const std::string& reason) {
  return "While copying the parameter named \"" + key + "\", whose dimensions in the model are " +
         size_text(to) + " and whose dimensions in the checkpoint are " + size_text(from) +
         ", an exception occurred : (" + repr(reason) + ",).";
}

struct Copy {
  std::string key;
  at::Tensor to;
  at::Tensor from;
};

/// Whether libtorch converts one element type to another, found out on a single element; "" when it does,
/// else why not.
class Conversions {
 public:
  const std::string& refusal(const at::Tensor& to, const at::Tensor& from) {
    const auto key = std::make_tuple(to.scalar_type(), from.scalar_type());
    const auto known = refusals_.find(key);
    if (known != refusals_.end()) return known->second;
    return refusals_.emplace(key, rehearse(to, from)).first->second;
  }

 private:
  static at::Tensor single(const at::Tensor& like) {
    const auto options = c10::TensorOptions().dtype(like.scalar_type());
    if (like.is_quantized()) return at::_empty_affine_quantized({1}, options, 1.0, 0);
    at::Tensor tensor = at::empty({1}, options);
    std::fill_n(static_cast<char*>(tensor.storage().mutable_data()), tensor.storage().nbytes(), char{0});
    return tensor;
  }

  static std::string rehearse(const at::Tensor& to, const at::Tensor& from) {
    try {
      single(to).copy_(single(from));
      return {};
    } catch (const std::exception& error) {
      return one_line(error);
    }
  }

  std::map<std::tuple<c10::ScalarType, c10::ScalarType>, std::string> refusals_;
};

class Loading {
 public:
  Loading(std::span<const ModuleSlots> modules, const StateDict& state_dict)
      : modules_(modules), state_dict_(state_dict) {}

  IncompatibleKeys run(const std::string& type_name, bool strict) {
    for (const ModuleSlots& module : modules_) check(module);
    find_unexpected();
    throw_if_incompatible(type_name, strict);
    copy();
    return std::move(keys_);
  }

 private:
  void check(const ModuleSlots& module) {
    const std::string path = module.prefix.substr(0, module.prefix.empty() ? 0 : module.prefix.size() - 1);
    for (const Slot& slot : module.slots) {
      std::string key = module.prefix + slot.name;
      const auto index = state_dict_.find(key);
      if (index) {
        check(std::move(key), slot.tensor, state_dict_.tensor(*index));
      } else if (!may_lack(path, slot)) {
        keys_.missing_keys.push_back(std::move(key));
      }
    }
  }

  bool may_lack(const std::string& path, const Slot& slot) const {
    if (slot.since_version == 0) return false;
    const auto version = state_dict_.versions().find(path);
    return version == state_dict_.versions().end() || version->second < slot.since_version;
  }

  void check(std::string key, const at::Tensor& to, at::Tensor from) {
    if (from.is_nested()) {
      failures_.push_back("While copying the parameter named \"" + key +
                          "\", expected an ordinary tensor from checkpoint but received a nested tensor.");
      return;
    }
    // Before PyTorch 0.4 there were no tensors without dimensions.
    if (to.dim() == 0 && from.dim() == 1 && from.size(0) == 1 && from.layout() == c10::kStrided)
      from = from.select(0, 0);
    if (!from.sizes().equals(to.sizes())) {
      failures_.push_back("size mismatch for " + key + ": copying a param with shape " + size_text(from) +
                          " from checkpoint, the shape in current model is " + size_text(to) + ".");
      return;
    }
    if (to.is_meta()) {
      if (!from.is_meta()) {
        TORCH_WARN("for ", key,
                   ": copying from a non-meta parameter in the checkpoint to a meta parameter in the "
                   "current model, which is a no-op.");
      }
      return;
    }
    if (const std::string reason = refusal(to, from); !reason.empty()) {
      failures_.push_back(copy_failure(key, to, from, reason));
      return;
    }
    copies_.push_back({std::move(key), to, std::move(from)});
  }

  std::string refusal(const at::Tensor& to, const at::Tensor& from) {
    if (from.is_meta()) return "Cannot copy out of meta tensor; no data!";
    if (to.layout() != from.layout()) {
      return "copy_() between dense and sparse Tensors is not implemented! Found self type = " +
             python_type(to) + " and src type = " + python_type(from);
    }
    if (to.layout() != c10::kStrided) return {};
    if (to.scalar_type() != from.scalar_type()) {
      if (const std::string& reason = conversions_.refusal(to, from); !reason.empty()) return reason;
    }
    if (at::has_internal_overlap(to) == at::MemOverlap::Yes) {
      return "unsupported operation: more than one element of the written-to tensor refers to a single "
             "memory "
             "location. Please clone() the tensor before performing the operation.";
    }
    if (at::get_overlap_status(to, from) == at::MemOverlapStatus::Partial) {
      return "unsupported operation: some elements of the input tensor and the written-to tensor refer to a "
             "single "
             "memory location. Please clone() the tensor before performing the operation.";
    }
    return {};
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
    }
    std::vector<std::tuple<std::size_t, bool, std::size_t>>
        unexpected;  // module, not extra state, index of the key
    for (std::size_t i = 0; i < state_dict_.size(); ++i) {
      const std::string_view key = state_dict_.key(i);
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
      keys_.unexpected_keys.emplace_back(state_dict_.key(index));
    }
  }

  void throw_if_incompatible(const std::string& type_name, bool strict) const {
    std::vector<std::string> parts;
    if (strict && !keys_.missing_keys.empty()) {
      parts.push_back("Missing key(s) in state_dict: " + quoted(keys_.missing_keys) + ". ");
    }
    if (strict && !keys_.unexpected_keys.empty()) {
      parts.push_back("Unexpected key(s) in state_dict: " + quoted(keys_.unexpected_keys) + ". ");
    }
    parts.insert(parts.end(), failures_.begin(), failures_.end());
    if (parts.empty()) return;
    std::string text = "Error(s) in loading state_dict for " + type_name + ":";
    for (const std::string& part : parts) text += "\n\t" + part;
    throw Error(ErrorCode::incompatible_keys, std::move(text));
  }

  /// Inference mode, because a module's buffers can be inference tensors that its own forward put there.
  void copy() const {
    const c10::InferenceMode mode;
    for (const Copy& one : copies_) {
      try {
        translated(ErrorCode::unsupported, [&] { one.to.copy_(one.from); });
      } catch (const Error& error) {
        const auto done = static_cast<std::size_t>(&one - copies_.data());
        throw Error(error.code(), copy_failure(one.key, one.to, one.from, error.message()) + " " +
                                      std::to_string(done) + " tensors before it were copied.");
      }
    }
  }

  const std::span<const ModuleSlots> modules_;
  const StateDict& state_dict_;
  Conversions conversions_;
  IncompatibleKeys keys_;
  std::vector<std::string> failures_;
  std::vector<Copy> copies_;
};

}  // namespace

IncompatibleKeys load_state_dict(const std::string& type_name, std::span<const ModuleSlots> modules,
                                 const StateDict& state_dict, bool strict) {
  return translated(ErrorCode::unsupported,
                    [&] { return Loading(modules, state_dict).run(type_name, strict); });
}

}  // namespace torchferry
