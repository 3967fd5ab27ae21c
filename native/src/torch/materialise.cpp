#include "torch/materialise.h"

#include <torchferry/devices.h>
#include <torchferry/error.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/checked.h"
#include "torch/compound.h"
#include "torch/dtype_bridge.h"
#include "torch/storage.h"

namespace torchferry {
namespace {

c10::IntArrayRef as_ref(std::span<const std::int64_t> values) { return {values.data(), values.size()}; }

}  // namespace

void Materialiser::select_keys(c10::DeviceType device) {
  keys_of_ = device;
  keys_ = dense_keys(device);
}

at::Tensor Materialiser::special(const TensorRow& row) {
  if (row.unsupported != kNone) throw Error(ErrorCode::unsupported, std::string(table_.unsupported(row)));
  switch (row.layout) {
    case Layout::strided: return row.storage == kNone ? meta(row) : quantized(row);
    case Layout::nested: return nested(row);
    default: return sparse(row);
  }
}

/// Saved on the meta device: it has a geometry and nothing else, under any map_location.
at::Tensor Materialiser::meta(const TensorRow& row) const {
  const auto sizes = table_.sizes(row);
  const auto strides = table_.strides(row);
  std::optional<std::uint64_t> elements = row.numel == 0 ? 0 : 1;
  for (std::size_t i = 0; elements && row.numel != 0 && i < sizes.size(); ++i) {
    const auto reach =
        checked_mul(static_cast<std::uint64_t>(sizes[i] - 1), static_cast<std::uint64_t>(strides[i]));
    elements = reach ? checked_add(*elements, *reach) : std::nullopt;
  }
  const auto nbytes = elements ? checked_mul(*elements, itemsize(row.dtype)) : std::nullopt;
  if (!nbytes || *nbytes > static_cast<std::uint64_t>(INT64_MAX)) {
    throw Error(ErrorCode::corrupt, "a meta tensor whose size in bytes overflows");
  }
  at::Tensor tensor = view_on(meta_storage(*nbytes), to_c10(row.dtype), as_ref(sizes), as_ref(strides), 0);
  torchferry::set_flags(tensor, {row.conj, row.neg, row.requires_grad});
  return tensor;
}

at::Tensor Materialiser::quantized(const TensorRow& row) {
  Quantization quantization{row.qscheme, row.scale, row.zero_point, row.axis, {}, {}};
  if (row.part_count == 2) {
    quantization.scales = part(row, 0);
    quantization.zero_points = part(row, 1);
  }
  const at::Tensor tensor =
      quantized_on(storages_[row.storage], to_c10(row.dtype), quantization, as_ref(table_.sizes(row)),
                   as_ref(table_.strides(row)), row.storage_offset);
  return row.location == table_.storages()[row.storage].location ? tensor : at_own_location(row, tensor);
}

at::Tensor Materialiser::sparse(const TensorRow& row) {
  const auto sizes = as_ref(table_.sizes(row));
  const at::Tensor tensor =
      row.layout == Layout::sparse_coo
          ? sparse_coo(part(row, 0), part(row, 1), sizes, row.coalesced)
          : sparse_compressed(to_c10(row.layout), part(row, 0), part(row, 1), part(row, 2), sizes);
  torchferry::set_flags(tensor, {.requires_grad = row.requires_grad});
  return tensor;
}

at::Tensor Materialiser::nested(const TensorRow& row) {
  const at::Tensor tensor = torchferry::nested(part(row, 0), part(row, 1), part(row, 2), part(row, 3));
  torchferry::set_flags(tensor, {.requires_grad = row.requires_grad});
  return tensor;
}

at::Tensor Materialiser::part(const TensorRow& row, std::size_t index) {
  const std::uint32_t part_row = table_.parts(row)[index];
  const auto known = parts_.find(part_row);
  if (known != parts_.end()) return known->second;
  at::Tensor made = tensor(table_.tensors()[part_row]);
  return parts_.emplace(part_row, std::move(made)).first->second;
}

at::Tensor Materialiser::at_own_location(const TensorRow& row, const at::Tensor& tensor) {
  const auto device = plan_.devices.find(table_.location(row));
  if (device == plan_.devices.end()) return tensor;
  auto& move = moves_[row.location];
  if (!move) move = std::make_unique<MoveTo>(to_c10(device->second));
  moved_from_.push_back(tensor);
  return (*move)(tensor);
}

}  // namespace torchferry
