#include "torch/move.h"

#include <torchferry/error.h>

#include <string>
#include <vector>

#include "torch/compound.h"
#include "torch/storage.h"
#include "torch/views.h"

namespace torchferry {

void require_floating_point(DType dtype) {
  if (is_floating_point(dtype)) return;
  throw Error(ErrorCode::invalid_argument,
              "tensors are cast to floating point types only, not to " + std::string(name(dtype)));
}

at::Tensor Rebuilding::operator()(const at::Tensor& tensor) {
  const auto known = done_.find(tensor.unsafeGetTensorImpl());
  if (known != done_.end()) return known->second;
  return done_.emplace(tensor.unsafeGetTensorImpl(), rebuild(tensor)).first->second;
}

at::Tensor Rebuilding::rebuild(const at::Tensor& tensor) {
  if (tensor.is_nested() || tensor.layout() != c10::kStrided) return compound(tensor);
  if (!tensor.has_storage()) return opaque(tensor);
  return tensor.is_quantized() ? quantized(tensor) : strided(tensor);
}

at::Tensor Rebuilding::strided(const at::Tensor& tensor) {
  if (stays(tensor)) return tensor;
  const Home home = home_of(tensor);
  at::Tensor result =
      view_on(home.storage, home.dtype, tensor.sizes(), tensor.strides(), tensor.storage_offset());
  set_flags(result, flags_of(tensor));
  return result;
}

at::Tensor Rebuilding::quantized(const at::Tensor& tensor) {
  if (stays(tensor)) return tensor;
  Quantization quantization = quantization_of(tensor);
  if (quantization.scales.defined()) {
    quantization.scales = strided(quantization.scales);
    quantization.zero_points = strided(quantization.zero_points);
  }
  const Home home = home_of(tensor);
  return quantized_on(home.storage, home.dtype, quantization, tensor.sizes(), tensor.strides(),
                      tensor.storage_offset());
}

at::Tensor Rebuilding::compound(const at::Tensor& tensor) {
  std::vector<at::Tensor> components = components_of(tensor);
  if (components.empty()) return opaque(tensor);
  bool same = true;
  for (const at::Tensor& component : components) same = same && stays(component);
  if (same) return tensor;
  for (at::Tensor& component : components) component = strided(component);
  at::Tensor result = recompose(tensor, components);
  set_flags(result, {.requires_grad = tensor.requires_grad()});
  return result;
}

Rebuilding::Home MoveTo::home_of(const at::Tensor& strided) {
  if (strided.is_meta()) throw Error(ErrorCode::invalid_argument, "Cannot copy out of meta tensor; no data!");
  const c10::Storage& storage = strided.storage();
  c10::Storage& moved = moved_[storage.unsafeGetStorageImpl()];
  if (!moved) moved = device_.is_meta() ? meta_storage(storage.nbytes()) : copy_storage(storage, device_);
  return {moved, strided.scalar_type()};
}

at::Tensor MoveTo::opaque(const at::Tensor& tensor) { return tensor.to(device_); }

bool CastTo::stays(const at::Tensor& strided) const {
  return !c10::isFloatingType(strided.scalar_type()) || strided.scalar_type() == dtype_;
}

Rebuilding::Home CastTo::home_of(const at::Tensor& strided) {
  const c10::Storage& storage = strided.storage();
  c10::Storage& converted = converted_[{storage.unsafeGetStorageImpl(), strided.scalar_type()}];
  if (!converted) {
    // The storage as one row of elements: never more than it holds, however often views repeat them.
    const auto elements = static_cast<std::int64_t>(storage.nbytes() / strided.element_size());
    converted = view_on(storage, strided.scalar_type(), {elements}, {1}, 0).to(dtype_).storage();
  }
  return {converted, dtype_};
}

at::Tensor CastTo::opaque(const at::Tensor& tensor) {
  return c10::isFloatingType(tensor.scalar_type()) ? tensor.to(dtype_) : tensor;
}

}  // namespace torchferry
