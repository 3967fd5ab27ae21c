#pragma once

#include <ATen/core/Tensor.h>

namespace torchferry::fake {

/// While one exists on a thread, copies the thread makes belong to an operator that computes: they are not
/// counted, not slowed and never made to fail.
class KernelScope {
 public:
  KernelScope();
  ~KernelScope();
  KernelScope(const KernelScope&) = delete;
  KernelScope& operator=(const KernelScope&) = delete;
  static bool active();
};

/// A CPU tensor over the same elements: the tensor itself, or for a tensor of the fake one that looks at its
/// device memory and keeps it alive. Nobody else may reach device memory. The caller sees to the order with
/// queued copies.
at::Tensor window(const at::Tensor& tensor);

/// Waits for the calling thread's current stream of the tensor's index, when the tensor is on the fake.
void wait_for(const at::Tensor& tensor);

/// The whole of Tensor::copy_ with the fake on at least one side: any dtypes, strides, conj and neg bits, and
/// a source that broadcasts. One counted copy. Returns before it is done when non_blocking and either both
/// sides are on the fake, or the host side is pinned and both sides have the same dtype and layout.
at::Tensor copy_from(const at::Tensor& source, const at::Tensor& target, bool non_blocking);

/// One element, by a counted device to host copy.
at::Scalar local_scalar(const at::Tensor& tensor);

}  // namespace torchferry::fake
