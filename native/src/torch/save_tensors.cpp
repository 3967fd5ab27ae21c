#include "torch/save_tensors.h"

#include <ATen/NestedTensorImpl.h>
#include <torchferry/devices.h>
#include <torchferry/error.h>

#include <string_view>

#include "torch/compound.h"

namespace torchferry {
namespace {

using pickle::Memo;

constexpr std::string_view kUtils = "torch._utils";

bool is_compound(const at::Tensor& tensor) { return tensor.is_nested() || tensor.layout() != c10::kStrided; }

/// Devices whose tensors torch.save writes as tensors of the CPU that torch.load is to move.
bool is_written_from_cpu(const at::Tensor& tensor) {
  switch (tensor.device().type()) {
    case c10::DeviceType::XLA:
    case c10::DeviceType::MAIA:
    case c10::DeviceType::MTIA: return true;
    default: return !tensor.has_storage() && tensor.device().type() == c10::DeviceType::PrivateUse1;
  }
}

/// The strided tensors that a sparse or nested tensor is rebuilt from, in the order of the arguments.
std::vector<at::Tensor> parts_of(const at::Tensor& compound) {
  std::vector<at::Tensor> parts = components_of(compound);
  if (compound.is_nested() && !parts.empty()) {
    const auto* const impl = at::native::get_nested_tensor_impl(compound);
    parts.insert(parts.end(),
                 {impl->get_nested_sizes(), impl->get_nested_strides(), impl->get_storage_offsets()});
  }
  return parts;
}

std::string_view layout_name(c10::Layout layout) {
  switch (layout) {
    case c10::kSparse: return "torch.sparse_coo";
    case c10::kSparseCsr: return "torch.sparse_csr";
    case c10::kSparseCsc: return "torch.sparse_csc";
    case c10::kSparseBsr: return "torch.sparse_bsr";
    default: return "torch.sparse_bsc";
  }
}

[[noreturn]] void refuse(std::string_view what) {
  throw Error(ErrorCode::unsupported, "torch.save has no form for " + std::string(what));
}

}  // namespace

void TensorPickle::collect(const at::Tensor& tensor, const std::optional<std::string>& location) {
  if (is_compound(tensor)) {
    const std::vector<at::Tensor> parts = parts_of(tensor);
    if (parts.empty()) refuse("tensors of this layout");
    for (const at::Tensor& part : parts) collect(part, location);
    return;
  }
  if (tensor.is_meta()) {
    if (tensor.is_quantized()) refuse("quantized tensors on the meta device");
    dtype_of(tensor.scalar_type());
    return;
  }
  if (is_written_from_cpu(tensor)) return storages_.add_opaque(tensor);
  if (!tensor.has_storage()) refuse("a tensor without a storage");
  if (tensor._is_zerotensor())
    refuse("a tensor that stands for zeros without having them; save a clone of it");
  SavedStorages::require_elements(tensor);
  storages_.add(tensor, location);
  if (!tensor.is_quantized()) return;
  const Quantization quantization = quantization_of(tensor);
  if (!quantization.scales.defined()) return;
  collect(quantization.scales, location);
  collect(quantization.zero_points, location);
}

Memo TensorPickle::write(const at::Tensor& tensor, TensorForm form) {
  if (form == TensorForm::with_gradient && !tensor.requires_grad()) form = TensorForm::plain;
  const std::pair identity(static_cast<const c10::TensorImpl*>(tensor.unsafeGetTensorImpl()), form);
  if (const auto known = written_.find(identity); known != written_.end()) {
    out_.recall(known->second);
    return known->second;
  }
  const bool gradient = form == TensorForm::with_gradient;
  const Memo memo = form == TensorForm::parameter ? write_parameter(tensor) : write_tensor(tensor, gradient);
  written_.emplace(identity, memo);
  return memo;
}

Memo TensorPickle::write_parameter(const at::Tensor& tensor) {
  return out_.call(kUtils, "_rebuild_parameter", 3, [&] {
    write_tensor(tensor, false);
    out_.boolean(tensor.requires_grad());
    write_hooks();
  });
}

Memo TensorPickle::write_tensor(const at::Tensor& tensor, bool gradient) {
  if (tensor.is_nested()) return write_nested(tensor);
  if (tensor.layout() != c10::kStrided) return write_sparse(tensor);
  if (tensor.is_meta()) return write_meta(tensor, gradient);
  if (is_written_from_cpu(tensor) && options_.tags == LocationTags::device)
    return write_device_tensor(tensor, gradient);
  return tensor.is_quantized() ? write_quantized(tensor, gradient) : write_strided(tensor, gradient);
}

Memo TensorPickle::write_strided(const at::Tensor& tensor, bool gradient) {
  const SavedView view = storages_.view_of(tensor);
  const bool conj = tensor.is_conj() && !is_written_from_cpu(tensor);
  const bool neg = tensor.is_neg() && !is_written_from_cpu(tensor);
  const std::size_t arguments = 6U + (view.untyped ? 1U : 0U) + (conj || neg ? 1U : 0U);
  return out_.call(kUtils, view.untyped ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2", arguments, [&] {
    write_storage(view);
    out_.integer(view.offset);
    out_.tuple(tensor.sizes());
    out_.tuple(view.strides);
    out_.boolean(gradient);
    write_hooks();
    if (view.untyped) write_dtype(tensor.scalar_type());
    if (!conj && !neg) return;
    out_.empty_dict();
    out_.set_items((conj ? 1U : 0U) + (neg ? 1U : 0U), [&](std::size_t i) {
      out_.word(conj && i == 0 ? "conj" : "neg");
      out_.boolean(true);
    });
  });
}

Memo TensorPickle::write_quantized(const at::Tensor& tensor, bool gradient) {
  const SavedView view = storages_.view_of(tensor);
  const Quantization quantization = quantization_of(tensor);
  return out_.call(kUtils, "_rebuild_qtensor", 7, [&] {
    write_storage(view);
    out_.integer(view.offset);
    out_.tuple(tensor.sizes());
    out_.tuple(view.strides);
    if (quantization.scheme == QScheme::per_tensor_affine) {
      out_.tuple(3, [&] {
        out_.global("torch", "per_tensor_affine");
        out_.real(quantization.scale);
        out_.integer(quantization.zero_point);
      });
    } else {
      out_.tuple(4, [&] {
        out_.global("torch", "per_channel_affine");  // float_qparams too: their scales' dtype tells them
        write_tensor(quantization.scales, false);
        write_tensor(quantization.zero_points, false);
        out_.integer(quantization.axis);
      });
    }
    out_.boolean(gradient);
    write_hooks();
  });
}

Memo TensorPickle::write_sparse(const at::Tensor& tensor) {
  const std::vector<at::Tensor> parts = parts_of(tensor);
  const bool coo = tensor.layout() == c10::kSparse;
  return out_.call(kUtils, "_rebuild_sparse_tensor", 2, [&] {
    write_layout(tensor.layout());
    out_.tuple(4, [&] {
      for (const at::Tensor& part : parts) write_tensor(part, false);
      write_size(tensor);
      if (coo) out_.boolean(tensor.is_coalesced());
    });
  });
}

Memo TensorPickle::write_nested(const at::Tensor& tensor) {
  return out_.call(kUtils, "_rebuild_nested_tensor", 4, [&] {
    for (const at::Tensor& part : parts_of(tensor)) write_tensor(part, false);
  });
}

Memo TensorPickle::write_meta(const at::Tensor& tensor, bool gradient) {
  return out_.call(kUtils, "_rebuild_meta_tensor_no_storage", 4, [&] {
    write_dtype(tensor.scalar_type());
    out_.tuple(tensor.sizes());
    out_.tuple(tensor.strides());
    out_.boolean(gradient);
  });
}

Memo TensorPickle::write_device_tensor(const at::Tensor& tensor, bool gradient) {
  return out_.call(kUtils, "_rebuild_device_tensor_from_cpu_tensor", 4, [&] {
    write_strided(tensor, false);
    write_dtype(tensor.scalar_type());
    out_.word(from_c10(tensor.device()).str());
    out_.boolean(gradient);
  });
}

void TensorPickle::write_storage(const SavedView& view) {
  out_.persistent(5, [&] {
    out_.word("storage");
    out_.global(view.untyped ? "torch.storage" : "torch",
                view.untyped ? "UntypedStorage" : storage_class_of(view.dtype));
    out_.word(std::to_string(view.key));
    out_.word(view.location);
    out_.integer(static_cast<std::int64_t>(view.storage_numel));
  });
}

void TensorPickle::write_size(const at::Tensor& tensor) {
  out_.call("torch", "Size", 1, [&] { out_.tuple(tensor.sizes()); });
}

void TensorPickle::write_layout(c10::Layout layout) {
  if (const auto known = layouts_.find(layout); known != layouts_.end()) return out_.recall(known->second);
  layouts_.emplace(
      layout, out_.call("torch.serialization", "_get_layout", 1, [&] { out_.word(layout_name(layout)); }));
}

void TensorPickle::write_dtype(c10::ScalarType type) { out_.global("torch", name(dtype_of(type))); }

Memo TensorPickle::write_hooks() {
  return out_.call("collections", "OrderedDict", 0, [] {});
}

}  // namespace torchferry
