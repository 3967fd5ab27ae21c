#include "torch/save_pickle.h"

#include <ATen/NestedTensorImpl.h>
#include <torchferry/devices.h>
#include <torchferry/error.h>

#include <string_view>

#include "torch/compound.h"
#include "torch/translate_errors.h"

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

/// Runs `work`; its errors name the tensor.
template <class Work>
void for_tensor(std::string_view key, const Work& work) {
  try {
    translated(ErrorCode::unsupported, work);
  } catch (const Error& error) {
    throw Error(error.code(), error.file(), error.record(), error.offset(),
                "tensor '" + std::string(key) + "': " + error.message());
  }
}

}  // namespace

StateDictPickle::StateDictPickle(const StateDict& state_dict, const SaveOptions& options)
    : state_dict_(state_dict), options_(options), storages_(options) {}

std::string StateDictPickle::write() {
  for (std::size_t i = 0; i < state_dict_.size(); ++i) {
    for_tensor(state_dict_.key(i), [&] { collect(state_dict_.tensor(i)); });
  }
  if (options_.ordered_dict) {
    write_hooks();  // an empty OrderedDict too
  } else {
    out_.empty_dict();
  }
  out_.set_items(state_dict_.size(),
                 [&](std::size_t i) { for_tensor(state_dict_.key(i), [&] { write_item(i); }); });
  if (options_.ordered_dict && state_dict_.has_metadata()) write_metadata();
  return std::move(out_).finish();
}

void StateDictPickle::collect(const at::Tensor& tensor) {
  if (is_compound(tensor)) {
    const std::vector<at::Tensor> parts = parts_of(tensor);
    if (parts.empty()) refuse("tensors of this layout");
    for (const at::Tensor& part : parts) collect(part);
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
  const c10::Storage& storage = tensor.storage();
  if (storage.device().is_cpu() && storage.nbytes() != 0 && storage.data() == nullptr) {
    refuse("a tensor whose storage has no memory");
  }
  storages_.add(tensor);
  if (!tensor.is_quantized()) return;
  const Quantization quantization = quantization_of(tensor);
  if (!quantization.scales.defined()) return;
  collect(quantization.scales);
  collect(quantization.zero_points);
}

void StateDictPickle::write_item(std::size_t index) {
  out_.text(state_dict_.key(index));
  const at::Tensor& tensor = state_dict_.tensor(index);
  const bool parameter = options_.keep_parameters && state_dict_.is_parameter(index);
  const std::pair identity(static_cast<const c10::TensorImpl*>(tensor.unsafeGetTensorImpl()), parameter);
  if (const auto known = written_.find(identity); known != written_.end()) return out_.recall(known->second);
  written_.emplace(identity, parameter ? write_parameter(tensor) : write_tensor(tensor));
}

/// The modules' versions: the attributes of the OrderedDict written last.
void StateDictPickle::write_metadata() {
  const auto& versions = state_dict_.versions();
  out_.build([&] {
    out_.empty_dict();
    out_.set_items(1, [&](std::size_t) {
      out_.word("_metadata");
      write_hooks();
      auto next = versions.begin();
      out_.set_items(versions.size(), [&](std::size_t) {
        out_.text(next->first);
        out_.empty_dict();
        out_.set_items(1, [&](std::size_t) {
          out_.word("version");
          out_.integer(next->second);
        });
        ++next;
      });
    });
  });
}

Memo StateDictPickle::write_parameter(const at::Tensor& tensor) {
  return out_.call(kUtils, "_rebuild_parameter", 3, [&] {
    write_tensor(tensor);
    out_.boolean(tensor.requires_grad());
    write_hooks();
  });
}

Memo StateDictPickle::write_tensor(const at::Tensor& tensor) {
  if (tensor.is_nested()) return write_nested(tensor);
  if (tensor.layout() != c10::kStrided) return write_sparse(tensor);
  if (tensor.is_meta()) return write_meta(tensor);
  if (is_written_from_cpu(tensor) && options_.tags == LocationTags::device)
    return write_device_tensor(tensor);
  return tensor.is_quantized() ? write_quantized(tensor) : write_strided(tensor);
}

Memo StateDictPickle::write_strided(const at::Tensor& tensor) {
  const SavedView view = storages_.view_of(tensor);
  const bool conj = tensor.is_conj() && !is_written_from_cpu(tensor);
  const bool neg = tensor.is_neg() && !is_written_from_cpu(tensor);
  const std::size_t arguments = 6U + (view.untyped ? 1U : 0U) + (conj || neg ? 1U : 0U);
  return out_.call(kUtils, view.untyped ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2", arguments, [&] {
    write_storage(view);
    out_.integer(view.offset);
    out_.tuple(tensor.sizes());
    out_.tuple(view.strides);
    out_.boolean(false);  // requires_grad
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

Memo StateDictPickle::write_quantized(const at::Tensor& tensor) {
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
        write_tensor(quantization.scales);
        write_tensor(quantization.zero_points);
        out_.integer(quantization.axis);
      });
    }
    out_.boolean(false);
    write_hooks();
  });
}

Memo StateDictPickle::write_sparse(const at::Tensor& tensor) {
  const std::vector<at::Tensor> parts = parts_of(tensor);
  const bool coo = tensor.layout() == c10::kSparse;
  return out_.call(kUtils, "_rebuild_sparse_tensor", 2, [&] {
    write_layout(tensor.layout());
    out_.tuple(4, [&] {
      for (const at::Tensor& part : parts) write_tensor(part);
      write_size(tensor);
      if (coo) out_.boolean(tensor.is_coalesced());
    });
  });
}

Memo StateDictPickle::write_nested(const at::Tensor& tensor) {
  return out_.call(kUtils, "_rebuild_nested_tensor", 4, [&] {
    for (const at::Tensor& part : parts_of(tensor)) write_tensor(part);
  });
}

Memo StateDictPickle::write_meta(const at::Tensor& tensor) {
  return out_.call(kUtils, "_rebuild_meta_tensor_no_storage", 4, [&] {
    write_dtype(tensor.scalar_type());
    out_.tuple(tensor.sizes());
    out_.tuple(tensor.strides());
    out_.boolean(false);
  });
}

Memo StateDictPickle::write_device_tensor(const at::Tensor& tensor) {
  return out_.call(kUtils, "_rebuild_device_tensor_from_cpu_tensor", 4, [&] {
    write_strided(tensor);
    write_dtype(tensor.scalar_type());
    out_.word(from_c10(tensor.device()).str());
    out_.boolean(false);
  });
}

void StateDictPickle::write_storage(const SavedView& view) {
  out_.persistent(5, [&] {
    out_.word("storage");
    out_.global(view.untyped ? "torch.storage" : "torch",
                view.untyped ? "UntypedStorage" : storage_class_of(view.dtype));
    out_.word(std::to_string(view.key));
    out_.word(view.location);
    out_.integer(static_cast<std::int64_t>(view.storage_numel));
  });
}

void StateDictPickle::write_size(const at::Tensor& tensor) {
  out_.call("torch", "Size", 1, [&] { out_.tuple(tensor.sizes()); });
}

void StateDictPickle::write_layout(c10::Layout layout) {
  if (const auto known = layouts_.find(layout); known != layouts_.end()) return out_.recall(known->second);
  layouts_.emplace(
      layout, out_.call("torch.serialization", "_get_layout", 1, [&] { out_.word(layout_name(layout)); }));
}

void StateDictPickle::write_dtype(c10::ScalarType type) { out_.global("torch", name(dtype_of(type))); }

/// The backward_hooks of a tensor, always an empty OrderedDict.
void StateDictPickle::write_hooks() {
  out_.call("collections", "OrderedDict", 0, [] {});
}

}  // namespace torchferry
