#include "torch/views.h"

#include <ATen/ops/empty.h>

namespace torchferry {

c10::DispatchKeySet dense_keys(c10::DeviceType device) {
  switch (device) {
    case c10::DeviceType::CPU: return c10::DispatchKeySet(c10::DispatchKey::CPU);
    case c10::DeviceType::CUDA: return c10::DispatchKeySet(c10::DispatchKey::CUDA);
    case c10::DeviceType::XPU: return c10::DispatchKeySet(c10::DispatchKey::XPU);
    case c10::DeviceType::MPS: return c10::DispatchKeySet(c10::DispatchKey::MPS);
    case c10::DeviceType::Meta: return c10::DispatchKeySet(c10::DispatchKey::Meta);
    default: return {};
  }
}

at::Tensor view_on(const c10::Storage& storage, c10::ScalarType dtype, c10::IntArrayRef sizes,
                   c10::IntArrayRef strides, std::int64_t offset) {
  const c10::DispatchKeySet keys = dense_keys(storage.device_type());
  if (!keys.empty()) return dense_view(storage, keys, dtype, sizes, strides, offset);
  at::Tensor tensor = at::empty({0}, c10::TensorOptions().dtype(dtype).device(storage.device()));
  tensor.set_(storage, offset, sizes, strides);
  return tensor;
}

Flags flags_of(const at::Tensor& tensor) {
  return {tensor.is_conj(), tensor.is_neg(), tensor.requires_grad()};
}

}  // namespace torchferry
