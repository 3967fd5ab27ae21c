#include "table/table_builder.h"

#include <torchferry/error.h>

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "base/limit_error.h"

namespace torchferry {
namespace {

constexpr std::uint64_t kMaxElements = std::uint64_t{1} << 62;

[[noreturn]] void corrupt(std::string message) { throw Error(ErrorCode::corrupt, std::move(message)); }

std::string shape_text(std::span<const std::int64_t> sizes) {
  std::string text = "[";
  for (std::size_t i = 0; i < sizes.size(); ++i) text += (i ? ", " : "") + std::to_string(sizes[i]);
  return text + "]";
}

}  // namespace

void TableBuilder::reserve(std::size_t tensors) {
  table_.tensors_.reserve(tensors);
  table_.storages_.reserve(tensors);
  table_.dims_.reserve(tensors * 4);
}

std::uint32_t TableBuilder::location(std::string_view tag) {
  auto& locations = table_.locations_;
  if (last_location_ != kNone && locations[last_location_] == tag) return last_location_;
  const auto found = location_rows_.find(tag);
  if (found != location_rows_.end()) return last_location_ = found->second;
  const auto index = static_cast<std::uint32_t>(locations.size());
  locations.emplace_back(tag);
  location_rows_.emplace(location_names_.emplace_back(tag), index);
  return last_location_ = index;
}

std::uint32_t TableBuilder::add_storage(const StorageRow& row) {
  table_.storages_.push_back(row);
  return static_cast<std::uint32_t>(table_.storages_.size() - 1);
}

std::uint32_t TableBuilder::append(const TensorTable& other, const std::function<void(StorageRow&)>& place) {
  if (other.tensors_.size() > limits_.tensors || table_.tensors_.size() > limits_.tensors - other.tensors_.size()) {
    throw Error(ErrorCode::limit_exceeded, over_limit("there are too many tensors", "tensors", limits_.tensors));
  }
  if (table_.dims_.size() + other.dims_.size() >= kNone) {
    throw Error(ErrorCode::limit_exceeded, "the tensors have more than 2^32 dimensions in all");
  }
  const auto shift = [](std::size_t by) { return static_cast<std::uint32_t>(by); };
  const std::uint32_t tensor = shift(table_.tensors_.size());
  const std::uint32_t storage = shift(table_.storages_.size());
  const std::uint32_t dim = shift(table_.dims_.size());
  const std::uint32_t part = shift(table_.parts_.size());
  const std::uint32_t message = shift(table_.messages_.size());
  std::vector<std::uint32_t> locations;
  for (const std::string& tag : other.locations_) locations.push_back(location(tag));
  for (StorageRow row : other.storages_) {
    row.location = locations[row.location];
    place(row);
    table_.storages_.push_back(row);
  }
  for (TensorRow row : other.tensors_) {
    if (row.storage != kNone) row.storage += storage;
    if (!locations.empty()) row.location = locations[row.location];
    row.first_size += dim;
    row.first_part += part;
    if (row.unsupported != kNone) row.unsupported += message;
    table_.tensors_.push_back(row);
  }
  table_.dims_.insert(table_.dims_.end(), other.dims_.begin(), other.dims_.end());
  for (const std::uint32_t row : other.parts_) table_.parts_.push_back(row + tensor);
  table_.messages_.insert(table_.messages_.end(), other.messages_.begin(), other.messages_.end());
  return tensor;
}

TensorRow TableBuilder::blank(DType dtype) {
  TensorRow row{};
  row.dtype = dtype;
  row.layout = Layout::strided;
  row.qscheme = QScheme::none;
  row.storage = kNone;
  row.location = 0;
  row.unsupported = kNone;
  row.axis = -1;
  return row;
}

void TableBuilder::set_geometry(TensorRow& row, std::span<const std::int64_t> sizes,
                                std::span<const std::int64_t> strides) {
  if (sizes.size() > limits_.dimensions) {
    throw Error(ErrorCode::limit_exceeded, over_limit("a tensor of " + std::to_string(sizes.size()) + " dimensions",
                                                      "dimensions", limits_.dimensions));
  }
  if (!strides.empty() && strides.size() != sizes.size()) {
    corrupt("a tensor has " + std::to_string(sizes.size()) + " sizes but " + std::to_string(strides.size()) +
            " strides");
  }
  std::uint64_t numel = 1;
  for (const std::int64_t size : sizes) {
    if (size < 0) corrupt("a tensor of negative size: " + shape_text(sizes));
    const auto product = checked_mul(numel, static_cast<std::uint64_t>(size));
    if (!product || *product > kMaxElements) corrupt("the number of elements overflows: shape " + shape_text(sizes));
    numel = *product;
  }
  if (numel > kMaxElements / itemsize(row.dtype)) corrupt("the number of bytes overflows: shape " + shape_text(sizes));
  for (const std::int64_t stride : strides) {
    if (stride < 0) corrupt("a negative stride: " + shape_text(strides));
  }
  row.numel = numel;
  row.dim = static_cast<std::uint32_t>(sizes.size());
  auto& dims = table_.dims_;
  if (dims.size() + 2 * sizes.size() >= kNone) {
    throw Error(ErrorCode::limit_exceeded, "the tensors have more than 2^32 dimensions in all");
  }
  row.first_size = static_cast<std::uint32_t>(dims.size());
  dims.insert(dims.end(), sizes.begin(), sizes.end());
  if (!strides.empty() || sizes.empty()) {
    dims.insert(dims.end(), strides.begin(), strides.end());
    return;
  }
  dims.resize(dims.size() + sizes.size());
  // As torch counts them: a dimension of no elements steps like one of a single element.
  std::uint64_t stride = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    dims[row.first_size + row.dim + i] = static_cast<std::int64_t>(stride);
    const auto next = checked_mul(stride, std::max<std::uint64_t>(static_cast<std::uint64_t>(sizes[i]), 1));
    if (!next || *next > kMaxElements) corrupt("the strides overflow: shape " + shape_text(sizes));
    stride = *next;
  }
}

void TableBuilder::require_within_storage(const TensorRow& row, std::uint64_t end) const {
  if (row.storage_offset < 0) corrupt("a negative storage offset: " + std::to_string(row.storage_offset));
  if (row.numel == 0) return;
  const auto sizes = table_.sizes(row);
  const auto strides = table_.strides(row);
  std::optional<std::uint64_t> need = static_cast<std::uint64_t>(row.storage_offset) + 1;
  for (std::size_t i = 0; need && i < sizes.size(); ++i) {
    const auto reach = checked_mul(static_cast<std::uint64_t>(sizes[i] - 1), static_cast<std::uint64_t>(strides[i]));
    need = reach ? checked_add(*need, *reach) : std::nullopt;
  }
  const std::uint64_t per_item = elements_per_item(row.dtype);
  const std::uint64_t have = std::min(table_.storages_[row.storage].nbytes, end);
  const auto bytes = need ? checked_mul(*need / per_item + (*need % per_item != 0), itemsize(row.dtype)) : need;
  if (bytes && *bytes <= have) return;
  corrupt("a view of shape " + shape_text(sizes) + ", stride " + shape_text(strides) + " and storage offset " +
          std::to_string(row.storage_offset) + " needs " + (bytes ? std::to_string(*bytes) : "more than 2^64") +
          " bytes, but storage '" + std::string(table_.storages_[row.storage].key) + "' has " + std::to_string(have) +
          (end < table_.storages_[row.storage].nbytes ? " in its part" : ""));
}

void TableBuilder::set_parts(TensorRow& row, std::initializer_list<std::uint32_t> parts) {
  row.first_part = static_cast<std::uint32_t>(table_.parts_.size());
  row.part_count = static_cast<std::uint32_t>(parts.size());
  table_.parts_.insert(table_.parts_.end(), parts);
}

void TableBuilder::set_unsupported(TensorRow& row, std::string reason) {
  row.unsupported = static_cast<std::uint32_t>(table_.messages_.size());
  table_.messages_.push_back(std::move(reason));
}

std::uint32_t TableBuilder::add_tensor(const TensorRow& row) {
  if (table_.tensors_.size() >= limits_.tensors) {
    throw Error(ErrorCode::limit_exceeded, over_limit("there are too many tensors", "tensors", limits_.tensors));
  }
  table_.tensors_.push_back(row);
  return static_cast<std::uint32_t>(table_.tensors_.size() - 1);
}

}  // namespace torchferry
