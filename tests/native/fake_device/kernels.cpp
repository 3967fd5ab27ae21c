// What the device does itself: making, viewing, resizing and copying tensors. Everything else is computed by
// libtorch's CPU kernels on copies of the arguments.

#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_nested_view_from_buffer_native.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/is_set_to_native.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_as_complex_native.h>
#include <ATen/ops/view_as_real_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include <optional>
#include <tuple>

#include "fake_device/copy.h"
#include "fake_device/ledger.h"
#include "fake_device/memory.h"
#include "fake_device/runtime.h"
#include "fake_device/storage.h"

namespace torchferry::fake {

namespace {

using at::IntArrayRef;
using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

const c10::DispatchKeySet keys{c10::DispatchKey::PrivateUse1};

int factory_index(std::optional<at::Layout> layout, std::optional<at::Device> device,
                  std::optional<bool> pinned) {
  TORCH_CHECK(at::layout_or_default(layout) == at::kStrided,
              "FAKE error: only strided tensors are supported");
  TORCH_CHECK(!at::pinned_memory_or_default(pinned), "Only dense CPU tensors can be pinned");
  return checked_index(device.value_or(device_at(current_index())));
}

Tensor empty(IntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout> layout,
             std::optional<at::Device> device, std::optional<bool> pinned,
             std::optional<at::MemoryFormat> format) {
  const c10::DeviceGuard on(device_at(factory_index(layout, device, pinned)));
  return at::detail::empty_generic(size, device_allocator(), keys, at::dtype_or_default(dtype), format);
}

Tensor empty_strided(IntArrayRef size, IntArrayRef stride, std::optional<at::ScalarType> dtype,
                     std::optional<at::Layout> layout, std::optional<at::Device> device,
                     std::optional<bool> pinned) {
  const c10::DeviceGuard on(device_at(factory_index(layout, device, pinned)));
  return at::detail::empty_strided_generic(size, stride, device_allocator(), keys,
                                           at::dtype_or_default(dtype));
}

/// Makes the tensor's storage hold at least so many bytes, unless the tensor has no elements.
void reserve(const Tensor& self, int64_t numel, size_t bytes) {
  c10::StorageImpl* storage = self.storage().unsafeGetStorageImpl();
  if (numel != 0 && bytes > storage->nbytes()) resize_storage(storage, bytes);
}

const Tensor& resize_(const Tensor& self, IntArrayRef size, std::optional<at::MemoryFormat> format) {
  if (self.sizes() != size) {
    at::detail::check_size_nonnegative(size);
    reserve(self, c10::multiply_integers(size),
            at::detail::computeStorageNbytesContiguous(size, self.element_size(), self.storage_offset()));
    self.unsafeGetTensorImpl()->set_sizes_contiguous(size);
  }
  if (format) self.unsafeGetTensorImpl()->empty_tensor_restride(*format);
  return self;
}

Tensor& set_storage(Tensor& self, at::Storage source, int64_t offset, IntArrayRef size, IntArrayRef stride) {
  at::native::checkSetStorage(self, std::move(source), offset, size, stride);
  at::detail::check_size_nonnegative(size);
  c10::TensorImpl* impl = self.unsafeGetTensorImpl();
  const size_t item = self.element_size();
  const bool strided = stride.data() != nullptr;
  reserve(self, c10::multiply_integers(size),
          strided ? at::detail::computeStorageNbytes(size, stride, item, offset)
                  : at::detail::computeStorageNbytesContiguous(size, item, offset));
  impl->set_storage_offset(offset);
  if (strided) {
    impl->set_sizes_and_strides(size, stride);
  } else {
    impl->set_sizes_contiguous(size);
  }
  return self;
}

Tensor& set_nothing(Tensor& self) {
  at::Storage none(c10::Storage::use_byte_size_t(), 0, allocate_on(checked_index(self.device()), 0),
                   device_allocator(), /*resizable=*/true);
  return set_storage(self, std::move(none), 0, {0}, {});
}

Tensor copy_from_and_resize(const Tensor& source, const Tensor& target) {
  if (source.sizes() != target.sizes()) target.resize_(source.sizes());
  return copy_from(source, target, /*non_blocking=*/false);
}

void record_stream(Tensor& /*self*/, at::Stream /*stream*/) {
}  // queued copies keep what they need alive anyway

/// Lets Tensor::set_data, and so Module::to, replace a CPU tensor by one of the device and back.
bool has_compatible_shallow_copy_type(const Tensor& self, const Tensor& from) {
  const auto plain = [](const Tensor& tensor) {
    return tensor.layout() == at::kStrided && !tensor.is_quantized() &&
           (tensor.is_cpu() || tensor.is_privateuseone());
  };
  return plain(self) && plain(from);
}

/// Remembers the one device an operator's arguments are on. CPU tensors without dimensions go along with any
/// device.
class CommonDevice {
 public:
  void add(const Tensor& tensor) {
    if (!tensor.defined() || (tensor.is_cpu() && tensor.dim() == 0)) return;
    TORCH_CHECK(!device_ || *device_ == tensor.device(),
                "Expected all tensors to be on the same device, but found at least two devices, ", *device_,
                " and ", tensor.device(), "!");
    device_ = tensor.device();
  }
  void add(const OptionalTensor& tensor) {
    if (tensor) add(*tensor);
  }
  void add(const c10::IValue& argument) {
    if (argument.isTensor()) add(argument.toTensor());
    if (!argument.isTensorList()) return;
    for (const Tensor& tensor : argument.toTensorVector()) add(tensor);
  }
  int index() const {
    return device_ && device_->is_privateuseone() ? checked_index(*device_) : current_index();
  }

 private:
  std::optional<at::Device> device_;
};

void compute_on_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  CommonDevice device;
  for (const c10::IValue& argument : torch::jit::last(*stack, op.schema().arguments().size()))
    device.add(argument);
  Ledger::get().count_operator(device.index());
  const KernelScope inside;
  at::native::cpu_fallback(op, stack, /*error_on_views=*/true);
}

OptionalTensor on_cpu(const OptionalTensor& tensor) {
  return tensor && tensor->defined() ? OptionalTensor(tensor->cpu()) : tensor;
}

/// libtorch sends every convolution of a PrivateUse1 device here and has no CPU kernel of this name to fall
/// back on.
Tensor convolution(const Tensor& input, const Tensor& weight, const OptionalTensor& bias, IntArrayRef stride,
                   IntArrayRef padding, IntArrayRef dilation, bool transposed, IntArrayRef output_padding,
                   int64_t groups) {
  CommonDevice device;
  device.add(input);
  device.add(weight);
  device.add(bias);
  Ledger::get().count_operator(device.index());
  const KernelScope inside;
  return at::convolution(input.cpu(), weight.cpu(), on_cpu(bias), stride, padding, dilation, transposed,
                         output_padding, groups)
      .to(input.device());
}

/// The schema does not say that training writes the running statistics, so the general fallback would lose
/// them.
std::tuple<Tensor, Tensor, Tensor> native_batch_norm(const Tensor& input, const OptionalTensor& weight,
                                                     const OptionalTensor& bias, const OptionalTensor& mean,
                                                     const OptionalTensor& variance, bool training,
                                                     double momentum, double epsilon) {
  CommonDevice device;
  device.add(input);
  for (const OptionalTensor* tensor : {&weight, &bias, &mean, &variance}) device.add(*tensor);
  Ledger::get().count_operator(device.index());
  const KernelScope inside;
  const OptionalTensor cpu_mean = on_cpu(mean);
  const OptionalTensor cpu_variance = on_cpu(variance);
  const auto [output, save_mean, save_invstd] = at::native_batch_norm(
      input.cpu(), on_cpu(weight), on_cpu(bias), cpu_mean, cpu_variance, training, momentum, epsilon);
  if (training && mean && mean->defined()) mean->copy_(*cpu_mean);
  if (training && variance && variance->defined()) variance->copy_(*cpu_variance);
  return {output.to(input.device()), save_mean.to(input.device()), save_invstd.to(input.device())};
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", TORCH_FN(empty));
  m.impl("empty_strided", TORCH_FN(empty_strided));
  m.impl("resize_", TORCH_FN(resize_));
  m.impl("set_.source_Storage_storage_offset", TORCH_FN(set_storage));
  m.impl("set_.source_Storage", static_cast<Tensor& (*)(Tensor&, at::Storage)>(&at::native::set_));
  m.impl("set_.source_Tensor", TORCH_FN(at::native::set_tensor_));
  m.impl("set_", TORCH_FN(set_nothing));
  m.impl("is_set_to", TORCH_FN(at::native::is_set_to));
  m.impl("as_strided", TORCH_FN(at::native::as_strided_tensorimpl));
  m.impl("view", TORCH_FN(at::native::view));
  m.impl("_reshape_alias", TORCH_FN(at::native::_reshape_alias));
  m.impl("unfold", TORCH_FN(at::native::unfold));
  m.impl("view_as_real", TORCH_FN(at::native::view_as_real));
  m.impl("view_as_complex", TORCH_FN(at::native::view_as_complex));
  m.impl("_nested_view_from_buffer", TORCH_FN(at::native::_nested_view_from_buffer));
  m.impl("_copy_from", TORCH_FN(copy_from));
  m.impl("_copy_from_and_resize", TORCH_FN(copy_from_and_resize));
  m.impl("_local_scalar_dense", TORCH_FN(local_scalar));
  m.impl("record_stream", TORCH_FN(record_stream));
  m.impl("_has_compatible_shallow_copy_type", TORCH_FN(has_compatible_shallow_copy_type));
  m.impl("convolution_overrideable", TORCH_FN(convolution));
  m.impl("native_batch_norm", TORCH_FN(native_batch_norm));
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&compute_on_cpu>());
}

// Copies read and write the conj and neg bits themselves. The general handling would resolve a tensor by
// cloning it, which is a copy of a tensor with the bit set, and so on without end.
TORCH_LIBRARY_IMPL(aten, Conjugate, m) {
  m.impl("_copy_from", torch::CppFunction::makeFallthrough());
  m.impl("_copy_from_and_resize", torch::CppFunction::makeFallthrough());
}

TORCH_LIBRARY_IMPL(aten, Negative, m) {
  m.impl("_copy_from", torch::CppFunction::makeFallthrough());
  m.impl("_copy_from_and_resize", torch::CppFunction::makeFallthrough());
}

}  // namespace torchferry::fake
