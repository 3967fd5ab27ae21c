#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Storage.h>
#include <torchferry/plan.h>
#include <torchferry/tensor_table.h>

#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "torch/move.h"
#include "torch/views.h"

namespace torchferry {

/// Turns rows of the table into tensors on placed storages. The table has checked the geometry, so a plain
/// tensor costs its two objects and nothing else. Rows that are components of others are made once.
class Materialiser {
 public:
  /// `storages` by row of the table; `plan` tells where tensors go that the file gives a location of their
  /// own.
  Materialiser(const TensorTable& table, const LoadPlan& plan, std::span<const c10::Storage> storages)
      : table_(table), plan_(plan), storages_(storages) {}

  /// Whether a row is strided, on a storage, with nothing beyond its geometry that needs more than flags.
  static bool is_plain(const TensorRow& row) noexcept {
    return row.storage != kNone && row.qscheme == QScheme::none && row.unsupported == kNone;
  }

  /// The tensor of a row; a new object on each call. Throws Error(unsupported) for what cannot be built and
  /// Error(corrupt) for components that contradict each other.
  at::Tensor tensor(const TensorRow& row) {
    if (is_plain(row)) return plain(row);
    return special(row);
  }

 private:
  at::Tensor plain(const TensorRow& row) {
    const c10::Storage& storage = storages_[row.storage];
    if (storage.device_type() != keys_of_) select_keys(storage.device_type());
    const auto sizes = table_.sizes(row);
    const auto strides = table_.strides(row);
    const auto dtype = static_cast<c10::ScalarType>(row.dtype);
    at::Tensor tensor = keys_.empty() ? view_on(storage, dtype, {sizes.data(), sizes.size()},
                                                {strides.data(), strides.size()}, row.storage_offset)
                                      : dense_view(storage, keys_, dtype, {sizes.data(), sizes.size()},
                                                   {strides.data(), strides.size()}, row.storage_offset);
    torchferry::set_flags(tensor, {row.conj, row.neg, row.requires_grad});
    return row.location == table_.storages()[row.storage].location ? tensor : at_own_location(row, tensor);
  }

  void select_keys(c10::DeviceType device);
  at::Tensor special(const TensorRow& row);
  at::Tensor meta(const TensorRow& row) const;
  at::Tensor quantized(const TensorRow& row);
  at::Tensor sparse(const TensorRow& row);
  at::Tensor nested(const TensorRow& row);
  at::Tensor part(const TensorRow& row, std::size_t index);
  at::Tensor at_own_location(const TensorRow& row, const at::Tensor& tensor);

  const TensorTable& table_;
  const LoadPlan& plan_;
  const std::span<const c10::Storage> storages_;
  c10::DeviceType keys_of_ = c10::DeviceType::COMPILE_TIME_MAX_DEVICE_TYPES;
  c10::DispatchKeySet keys_;
  std::unordered_map<std::uint32_t, at::Tensor> parts_;
  std::unordered_map<std::uint32_t, std::unique_ptr<MoveTo>>
      moves_;                           // by location; keeps sharing among its tensors
  std::vector<at::Tensor> moved_from_;  // what `moves_` remembers by address
};

}  // namespace torchferry
