#include "torch/slot_rules.h"

#include <ATen/MemoryOverlap.h>
#include <ATen/ops/_empty_affine_quantized.h>
#include <ATen/ops/_has_compatible_shallow_copy_type.h>
#include <ATen/ops/empty.h>
#include <c10/core/DeviceType.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdint>
#include <exception>

#include "torch/translate_errors.h"

namespace torchferry {
namespace {

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

/// The tensor's type as Python shows it: "torch.sparse.FloatTensor".
std::string python_type(const at::Tensor& tensor) {
  std::string text = "torch.";
  if (!tensor.device().is_cpu())
    text += c10::DeviceTypeName(tensor.device().type(), /*lower_case=*/true) + ".";
  if (tensor.layout() == c10::kSparse) text += "sparse.";
  if (tensor.layout() == c10::kSparseCsr) text += "sparse_csr.";
  return text + c10::toString(tensor.scalar_type()) + "Tensor";
}

at::Tensor single(const at::Tensor& like) {
  const auto options = c10::TensorOptions().dtype(like.scalar_type());
  if (like.is_quantized()) return at::_empty_affine_quantized({1}, options, 1.0, 0);
  at::Tensor tensor = at::empty({1}, options);
  std::fill_n(static_cast<char*>(tensor.storage().mutable_data()), tensor.storage().nbytes(), char{0});
  return tensor;
}

std::string rehearse(const at::Tensor& to, const at::Tensor& from) {
  try {
    single(to).copy_(single(from));
    return {};
  } catch (const std::exception& error) {
    return one_line(error);
  }
}

bool is_plain_strided(const at::Tensor& tensor) {
  return tensor.layout() == c10::kStrided && !tensor.is_nested() && tensor.has_storage();
}

std::string described(const at::Tensor& tensor) {
  std::string text = std::string(c10::toString(tensor.scalar_type())) + " on " + tensor.device().str();
  if (!is_plain_strided(tensor)) return text + ", not strided";
  text += " with strides (";
  for (std::int64_t i = 0; i < tensor.dim(); ++i) text += (i ? ", " : "") + std::to_string(tensor.stride(i));
  return text + (tensor.is_conj() || tensor.is_neg() ? "), conjugated or negated lazily" : ")");
}

/// Compiled code reads memory as that of `to` is laid out, on devices in units that need an alignment.
std::string compiled_refusal(const at::Tensor& to, const at::Tensor& from) {
  constexpr std::uintptr_t kAlignment = 16;
  const std::string wanted = described(to);
  const std::string given = described(from);
  if (wanted != given) {
    return "the code is compiled for " + wanted + ", and this is " + given + "; load it without assign";
  }
  if (!to.is_cpu() && from.numel() > 0 && reinterpret_cast<std::uintptr_t>(from.const_data_ptr()) % kAlignment != 0) {
    return "the code is compiled for memory at multiples of 16 bytes; load it without assign";
  }
  return {};
}

}  // namespace

std::string size_text(const at::Tensor& tensor) {
  std::string text = "torch.Size([";
  for (std::int64_t i = 0; i < tensor.dim(); ++i) text += (i ? ", " : "") + std::to_string(tensor.size(i));
  return text + "])";
}

std::string copy_failure(const std::string& key, const at::Tensor& to, const at::Tensor& from,
                         const std::string& reason) {
  return "While copying the parameter named \"" + key + "\", whose dimensions in the model are " +
         size_text(to) + " and whose dimensions in the checkpoint are " + size_text(from) +
         ", an exception occurred : (" + repr(reason) + ",).";
}

const std::string& SlotRules::conversion_refusal(const at::Tensor& to, const at::Tensor& from) {
  const auto key = std::make_tuple(to.scalar_type(), from.scalar_type());
  const auto known = conversions_.find(key);
  if (known != conversions_.end()) return known->second;
  return conversions_.emplace(key, rehearse(to, from)).first->second;
}

std::string SlotRules::copy_refusal(const at::Tensor& to, const at::Tensor& from) {
  if (from.is_meta()) return "Cannot copy out of meta tensor; no data!";
  if (to.layout() != from.layout()) {
    return "copy_() between dense and sparse Tensors is not implemented! Found self type = " +
           python_type(to) + " and src type = " + python_type(from);
  }
  if (to.layout() != c10::kStrided) return {};
  if (to.scalar_type() != from.scalar_type()) {
    if (const std::string& reason = conversion_refusal(to, from); !reason.empty()) return reason;
  }
  if (at::has_internal_overlap(to) == at::MemOverlap::Yes) {
    return "unsupported operation: more than one element of the written-to tensor refers to a single memory "
           "location. Please clone() the tensor before performing the operation.";
  }
  if (at::get_overlap_status(to, from) == at::MemOverlapStatus::Partial) {
    return "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single "
           "memory location. Please clone() the tensor before performing the operation.";
  }
  return {};
}

std::string SlotRules::assign_refusal(const Slot& slot, const at::Tensor& from) const {
  if (slot.parameter && slot.tensor.requires_grad() && !from.is_floating_point() && !from.is_complex()) {
    return "Only Tensors of floating point and complex dtype can require gradients";
  }
  if (slot.compiled) return compiled_refusal(slot.tensor, from);
  if (!slot.put && (!is_plain_strided(slot.tensor) || !is_plain_strided(from))) {
    return "a C++ module's tensor can only be assigned from a strided tensor to a strided one";
  }
  return {};
}

void take_over(const at::Tensor& to, const at::Tensor& from) {
  const at::Tensor data = from.detach();  // an object of its own: the state dict's keeps its flags
  if (at::_has_compatible_shallow_copy_type(to, data)) {
    to.set_data(data);
    return;
  }
  // set_data refuses devices that are not on its list, such as meta and PrivateUse1, though their strided tensors
  // are made of the same class.
  to.unsafeGetTensorImpl()->shallow_copy_from(data.getIntrusivePtr());
}

}  // namespace torchferry
