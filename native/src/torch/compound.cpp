#include "torch/compound.h"

#include <ATen/NestedTensorImpl.h>
#include <ATen/ops/_empty_affine_quantized.h>
#include <ATen/ops/_empty_per_channel_affine_quantized.h>
#include <ATen/ops/_nested_view_from_buffer.h>
#include <ATen/ops/_sparse_compressed_tensor_unsafe.h>
#include <ATen/ops/_sparse_coo_tensor_unsafe.h>
#include <ATen/ops/_validate_sparse_compressed_tensor_args.h>
#include <ATen/ops/_validate_sparse_coo_tensor_args.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <torchferry/error.h>

#include <optional>
#include <string>

#include "base/checked.h"
#include "torch/translate_errors.h"

namespace torchferry {
namespace {

/// Keeps libtorch's "this is beta" lines off the standard error of whoever opens a file.
class QuietWarnings {
  struct Silence final : c10::WarningHandler {
    void process(const c10::Warning&) override {}
  };
  Silence silence_;
  c10::WarningUtils::WarningHandlerGuard guard_{&silence_};
};

[[noreturn]] void corrupt(std::string message) { throw Error(ErrorCode::corrupt, std::move(message)); }

void require_plain(const at::Tensor& component, const char* what) {
  if (component.layout() != c10::kStrided || component.is_nested() || component.is_quantized()) {
    corrupt(std::string(what) + " of a compound tensor are not an ordinary tensor");
  }
}

/// A component with its bytes where they can be looked at.
at::Tensor on_cpu(const at::Tensor& component) {
  return component.device().is_cpu() ? component : component.cpu();
}

/// For checks that look at the shape of the values only: the same shape on the CPU over a single element.
at::Tensor shape_on_cpu(const at::Tensor& values) {
  if (values.device().is_cpu()) return values;
  return at::empty({1}, values.options().device(c10::kCPU)).expand(values.sizes());
}

void require_blocks(c10::Layout layout, const at::Tensor& values) {
  if (layout != c10::kSparseBsr && layout != c10::kSparseBsc) return;
  if (values.dim() < 3 || values.size(-1) == 0 || values.size(-2) == 0)
    corrupt("a block sparse tensor without blocks");
}

}  // namespace

c10::Layout to_c10(Layout layout) {
  switch (layout) {
    case Layout::sparse_coo: return c10::kSparse;
    case Layout::sparse_csr: return c10::kSparseCsr;
    case Layout::sparse_csc: return c10::kSparseCsc;
    case Layout::sparse_bsr: return c10::kSparseBsr;
    case Layout::sparse_bsc: return c10::kSparseBsc;
    case Layout::strided:
    case Layout::nested: break;
  }
  return c10::kStrided;
}

Quantization quantization_of(const at::Tensor& quantized) {
  Quantization result;
  switch (quantized.qscheme()) {
    case c10::kPerTensorAffine:
      result.scheme = QScheme::per_tensor_affine;
      result.scale = quantized.q_scale();
      result.zero_point = quantized.q_zero_point();
      return result;
    case c10::kPerChannelAffine: result.scheme = QScheme::per_channel_affine; break;
    case c10::kPerChannelAffineFloatQParams: result.scheme = QScheme::per_channel_affine_float_qparams; break;
    default: throw Error(ErrorCode::unsupported, "quantization scheme " + c10::toString(quantized.qscheme()));
  }
  result.scales = quantized.q_per_channel_scales();
  result.zero_points = quantized.q_per_channel_zero_points();
  result.axis = quantized.q_per_channel_axis();
  return result;
}

at::Tensor quantized_on(const c10::Storage& storage, c10::ScalarType dtype, const Quantization& quantization,
                        c10::IntArrayRef sizes, c10::IntArrayRef strides, std::int64_t offset) {
  const QuietWarnings quiet;
  const auto options = c10::TensorOptions().dtype(dtype).device(storage.device());
  at::Tensor tensor = translated(ErrorCode::unsupported, [&] {
    // Made empty, for its quantizer; as many dimensions as the real one, because libtorch checks the axis.
    const std::vector<std::int64_t> empty(sizes.size(), 0);
    if (quantization.scheme == QScheme::per_tensor_affine) {
      return at::_empty_affine_quantized({0}, options, quantization.scale, quantization.zero_point);
    }
    require_plain(quantization.scales, "scales");
    require_plain(quantization.zero_points, "zero points");
    return at::_empty_per_channel_affine_quantized(empty, quantization.scales, quantization.zero_points,
                                                   quantization.axis, options);
  });
  c10::TensorImpl* const impl = tensor.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(storage);
  impl->set_sizes_and_strides(sizes, strides);
  impl->set_storage_offset(offset);
  return tensor;
}

at::Tensor sparse_coo(const at::Tensor& indices, const at::Tensor& values, c10::IntArrayRef sizes,
                      bool coalesced) {
  const QuietWarnings quiet;
  require_plain(indices, "indices");
  require_plain(values, "values");
  if (!indices.is_meta()) {
    if (indices.dim() != 2 || values.dim() < 1 || indices.size(1) != values.size(0)) {
      corrupt("a sparse tensor whose indices and values do not count the same elements");
    }
    translated(ErrorCode::corrupt, [&] {
      at::_validate_sparse_coo_tensor_args(on_cpu(indices), shape_on_cpu(values), sizes, coalesced);
    });
  }
  return translated(ErrorCode::unsupported, [&] {
    return at::_sparse_coo_tensor_unsafe(indices, values, sizes, values.options().layout(c10::kSparse),
                                         coalesced);
  });
}

at::Tensor sparse_compressed(c10::Layout layout, const at::Tensor& compressed, const at::Tensor& plain,
                             const at::Tensor& values, c10::IntArrayRef sizes) {
  const QuietWarnings quiet;
  require_plain(compressed, "indices");
  require_plain(plain, "indices");
  require_plain(values, "values");
  require_blocks(layout, values);
  if (!compressed.is_meta()) {
    translated(ErrorCode::corrupt, [&] {
      at::_validate_sparse_compressed_tensor_args(on_cpu(compressed), on_cpu(plain), shape_on_cpu(values),
                                                  sizes, layout);
    });
  }
  return translated(ErrorCode::unsupported, [&] {
    return at::_sparse_compressed_tensor_unsafe(compressed, plain, values, sizes,
                                                values.options().layout(layout));
  });
}

namespace {

/// Whether each component of a nested tensor lies inside the buffer. The arguments are contiguous int64 CPU
/// tensors.
void require_nested_within(std::int64_t elements, const at::Tensor& sizes, const at::Tensor& strides,
                           const at::Tensor& offsets) {
  const std::int64_t rows = sizes.size(0);
  const std::int64_t dims = sizes.dim() == 2 ? sizes.size(1) : 0;
  const auto* const size = sizes.const_data_ptr<std::int64_t>();
  const auto* const stride = strides.const_data_ptr<std::int64_t>();
  const auto* const offset = offsets.const_data_ptr<std::int64_t>();
  for (std::int64_t row = 0; row < rows; ++row) {
    if (offset[row] < 0) corrupt("a nested tensor with a negative offset");
    std::optional<std::uint64_t> end = static_cast<std::uint64_t>(offset[row]) + 1;
    bool empty = false;
    for (std::int64_t i = row * dims; i < (row + 1) * dims; ++i) {
      if (size[i] < 0 || stride[i] < 0) corrupt("a nested tensor with a negative size or stride");
      empty = empty || size[i] == 0;
    }
    for (std::int64_t i = row * dims; end && !empty && i < (row + 1) * dims; ++i) {
      const auto reach =
          checked_mul(static_cast<std::uint64_t>(size[i] - 1), static_cast<std::uint64_t>(stride[i]));
      end = reach ? checked_add(*end, *reach) : std::nullopt;
    }
    const auto limit = static_cast<std::uint64_t>(elements);
    if (empty ? static_cast<std::uint64_t>(offset[row]) > limit : !end || *end > limit) {
      corrupt("component " + std::to_string(row) + " of a nested tensor reaches beyond its buffer of " +
              std::to_string(elements) + " elements");
    }
  }
}

}  // namespace

at::Tensor nested(const at::Tensor& buffer, const at::Tensor& sizes, const at::Tensor& strides,
                  const at::Tensor& offsets) {
  const QuietWarnings quiet;
  for (const at::Tensor* part : {&buffer, &sizes, &strides, &offsets}) require_plain(*part, "components");
  if (buffer.is_meta())
    throw Error(ErrorCode::unsupported, "libtorch has no nested tensors on the meta device");
  for (const at::Tensor* part : {&sizes, &strides, &offsets}) {
    if (part->scalar_type() != c10::kLong) corrupt("a nested tensor whose sizes are not int64");
  }
  if (buffer.dim() != 1 || !buffer.is_contiguous() || !sizes.sizes().equals(strides.sizes()) ||
      offsets.dim() != 1 || (sizes.dim() == 2 ? sizes.size(0) : 0) != offsets.size(0)) {
    corrupt("a nested tensor whose components do not fit each other");
  }
  const at::Tensor cpu_sizes = on_cpu(sizes).contiguous();
  const at::Tensor cpu_strides = on_cpu(strides).contiguous();
  const at::Tensor cpu_offsets = on_cpu(offsets).contiguous();
  if (sizes.dim() == 2) require_nested_within(buffer.numel(), cpu_sizes, cpu_strides, cpu_offsets);
  return translated(ErrorCode::unsupported, [&] {
    return at::_nested_view_from_buffer(buffer, cpu_sizes, cpu_strides, cpu_offsets);
  });
}

std::vector<at::Tensor> components_of(const at::Tensor& tensor) {
  if (tensor.is_nested()) {
    if (tensor.layout() != c10::kStrided) return {};  // the jagged layout is a Python class
    return {at::native::get_nested_tensor_impl(tensor)->get_unsafe_storage_as_tensor()};
  }
  switch (tensor.layout()) {
    case c10::kSparse: return {tensor._indices(), tensor._values()};
    case c10::kSparseCsr:
    case c10::kSparseBsr: return {tensor.crow_indices(), tensor.col_indices(), tensor.values()};
    case c10::kSparseCsc:
    case c10::kSparseBsc: return {tensor.ccol_indices(), tensor.row_indices(), tensor.values()};
    case c10::kStrided: break;
    default: return {};
  }
  if (!tensor.has_storage()) return {};
  if (!tensor.is_quantized() || tensor.qscheme() == c10::kPerTensorAffine) return {tensor};
  return {tensor, tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points()};
}

at::Tensor recompose(const at::Tensor& like, std::span<const at::Tensor> components) {
  if (like.is_nested()) {
    const auto* const impl = at::native::get_nested_tensor_impl(like);
    return nested(components[0], impl->get_nested_sizes(), impl->get_nested_strides(),
                  impl->get_storage_offsets());
  }
  if (like.layout() == c10::kSparse) {
    return sparse_coo(components[0], components[1], like.sizes(), like.is_coalesced());
  }
  return sparse_compressed(like.layout(), components[0], components[1], components[2], like.sizes());
}

}  // namespace torchferry
