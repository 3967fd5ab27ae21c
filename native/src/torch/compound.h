#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Storage.h>
#include <torchferry/tensor_table.h>

#include <span>
#include <vector>

namespace torchferry {

/// Tensors that are more than a view of a storage, built without copying an element. Every function checks
/// what its components say about each other (on values, where they have bytes), because libtorch's kernels
/// follow indices without looking. Throws Error(corrupt) for components that contradict each other and
/// Error(unsupported) for what this libtorch cannot build on the components' device. libtorch's beta warnings
/// are kept quiet.

/// How a quantized tensor's integers stand for numbers; scales and zero points for the per-channel schemes.
struct Quantization {
  QScheme scheme = QScheme::none;
  double scale = 1;
  std::int64_t zero_point = 0;
  std::int64_t axis = 0;
  at::Tensor scales;
  at::Tensor zero_points;
};
Quantization quantization_of(const at::Tensor& quantized);

/// A quantized tensor on `storage`; the caller guarantees that the geometry lies inside it.
at::Tensor quantized_on(const c10::Storage& storage, c10::ScalarType dtype, const Quantization& quantization,
                        c10::IntArrayRef sizes, c10::IntArrayRef strides, std::int64_t offset);

/// A sparse COO tensor of these very indices and values.
at::Tensor sparse_coo(const at::Tensor& indices, const at::Tensor& values, c10::IntArrayRef sizes,
                      bool coalesced);

/// A CSR, CSC, BSR or BSC tensor of these very components.
at::Tensor sparse_compressed(c10::Layout layout, const at::Tensor& compressed, const at::Tensor& plain,
                             const at::Tensor& values, c10::IntArrayRef sizes);

/// A nested tensor over `buffer`; the other components are moved to the CPU, where libtorch keeps them.
at::Tensor nested(const at::Tensor& buffer, const at::Tensor& sizes, const at::Tensor& strides,
                  const at::Tensor& offsets);

/// The ordinary tensors that hold a tensor's elements: itself when it is strided, the indices and values of a
/// sparse one, the buffer of a nested one; and a quantized one's scales and zero points. Empty for what shows
/// no storage.
std::vector<at::Tensor> components_of(const at::Tensor& tensor);

/// A sparse or nested tensor like `like` of other components, in the order of `components_of`.
at::Tensor recompose(const at::Tensor& like, std::span<const at::Tensor> components);

c10::Layout to_c10(Layout layout);

}  // namespace torchferry
