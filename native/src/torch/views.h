#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/DispatchKeySet.h>
#include <c10/core/Storage.h>

namespace torchferry {

/// The dispatch keys of an ordinary strided tensor on a device type, for `dense_view`; empty where only the
/// backend itself knows how its tensors are made.
c10::DispatchKeySet dense_keys(c10::DeviceType device);

/// A strided tensor on `storage` without asking libtorch's dispatcher, which costs more than the tensor
/// itself. The caller guarantees that the geometry lies inside the storage; `keys` comes from `dense_keys`
/// and is not empty.
inline at::Tensor dense_view(c10::Storage storage, c10::DispatchKeySet keys, c10::ScalarType dtype,
                             c10::IntArrayRef sizes, c10::IntArrayRef strides, std::int64_t offset) {
  at::Tensor tensor = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), keys,
                                                               caffe2::TypeMeta::fromScalarType(dtype));
  c10::TensorImpl* const impl = tensor.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(sizes, strides);
  if (offset != 0) impl->set_storage_offset(offset);
  return tensor;
}

/// A strided, not quantized tensor on `storage`, on any device. The caller guarantees that it lies inside.
at::Tensor view_on(const c10::Storage& storage, c10::ScalarType dtype, c10::IntArrayRef sizes,
                   c10::IntArrayRef strides, std::int64_t offset);

/// What a tensor is beyond its elements; set on a tensor that was just made.
struct Flags {
  bool conj = false;
  bool neg = false;
  bool requires_grad = false;
};
inline void set_flags(const at::Tensor& tensor, const Flags& flags) {
  if (flags.conj) tensor.unsafeGetTensorImpl()->_set_conj(true);
  if (flags.neg) tensor.unsafeGetTensorImpl()->_set_neg(true);
  if (flags.requires_grad) tensor.unsafeGetTensorImpl()->set_requires_grad(true);
}
Flags flags_of(const at::Tensor& tensor);

}  // namespace torchferry
