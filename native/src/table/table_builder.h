#pragma once

#include <torchferry/limits.h>
#include <torchferry/tensor_table.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace torchferry {

/// Fills a TensorTable and is the one place where tensor geometry from a file is checked: what passes here is trusted
/// by every room to the right. Errors thrown carry no place; the caller adds file, record and offset.
class TableBuilder {
 public:
  explicit TableBuilder(const Limits& limits) : limits_(limits) {}

  void reserve(std::size_t tensors);

  /// Index of a saved location, added when new.
  std::uint32_t location(std::string_view tag);

  /// Adds a storage and returns its row; its range was checked against the file by the caller.
  std::uint32_t add_storage(const StorageRow& row);
  StorageRow& storage(std::uint32_t row) noexcept { return table_.storages_[row]; }

  /// Takes over all rows of another file's table and returns where its first tensor is now. `place` says for each
  /// storage what it is called and which file it is in. Throws Error(limit_exceeded).
  std::uint32_t append(const TensorTable& other, const std::function<void(StorageRow&)>& place);

  /// A row with neutral fields, of the given type.
  static TensorRow blank(DType dtype);

  /// Sets dimension fields of `row` from a file's numbers, which must be non-negative; strides may be empty for
  /// "contiguous". Throws Error(corrupt, limit_exceeded).
  void set_geometry(TensorRow& row, std::span<const std::int64_t> sizes, std::span<const std::int64_t> strides);
  /// Checks that every element that geometry and offset reach lies inside the row's storage, or in its bytes below
  /// `end` where the row may use only a part. Throws Error(corrupt).
  void require_within_storage(const TensorRow& row, std::uint64_t end = UINT64_MAX) const;
  /// Components of a sparse, nested or quantized tensor.
  void set_parts(TensorRow& row, std::initializer_list<std::uint32_t> parts);
  void set_unsupported(TensorRow& row, std::string reason);

  std::uint32_t add_tensor(const TensorRow& row);
  TensorRow& tensor(std::uint32_t row) noexcept { return table_.tensors_[row]; }
  const TensorTable& table() const noexcept { return table_; }

  TensorTable finish() && { return std::move(table_); }

 private:
  const Limits& limits_;
  TensorTable table_;
  std::uint32_t last_location_ = kNone;
  std::unordered_map<std::string_view, std::uint32_t> location_rows_;  // views into the interned names
  std::deque<std::string> location_names_;
};

}  // namespace torchferry
