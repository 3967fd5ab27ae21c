#include <torchferry/tensor_table.h>

namespace torchferry {

std::string_view name(Layout layout) noexcept {
  switch (layout) {
    case Layout::strided: return "strided";
    case Layout::sparse_coo: return "sparse_coo";
    case Layout::sparse_csr: return "sparse_csr";
    case Layout::sparse_csc: return "sparse_csc";
    case Layout::sparse_bsr: return "sparse_bsr";
    case Layout::sparse_bsc: return "sparse_bsc";
    case Layout::nested: return "nested";
  }
  return "unknown";
}

std::string_view name(QScheme scheme) noexcept {
  switch (scheme) {
    case QScheme::none: return "none";
    case QScheme::per_tensor_affine: return "per_tensor_affine";
    case QScheme::per_channel_affine: return "per_channel_affine";
    case QScheme::per_channel_affine_float_qparams: return "per_channel_affine_float_qparams";
  }
  return "unknown";
}

std::uint64_t TensorTable::nbytes(const TensorRow& row) const noexcept {
  if (row.layout != Layout::strided) {
    std::uint64_t sum = 0;
    for (const std::uint32_t part : parts(row)) sum += nbytes(tensors_[part]);
    return sum;
  }
  const std::uint64_t per_item = elements_per_item(row.dtype);
  return (row.numel / per_item + (row.numel % per_item != 0)) * itemsize(row.dtype);
}

bool TensorTable::is_contiguous(const TensorRow& row) const noexcept {
  if (row.layout != Layout::strided) return false;
  if (row.numel == 0) return true;
  const auto size = sizes(row);
  const auto stride = strides(row);
  std::int64_t expected = 1;
  for (std::size_t i = row.dim; i-- > 0;) {
    if (size[i] == 1) continue;
    if (stride[i] != expected) return false;
    expected *= size[i];
  }
  return true;
}

bool TensorTable::is_plain_range(const TensorRow& row) const noexcept {
  if (row.storage == kNone || row.conj || row.neg || !is_contiguous(row)) return false;
  if (static_cast<std::uint64_t>(row.storage_offset) % elements_per_item(row.dtype) != 0) return false;
  return storages_[row.storage].mappable();
}

}  // namespace torchferry
