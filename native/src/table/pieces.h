#pragma once

#include <torchferry/dtype.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "table/content_index.h"
#include "table/table_builder.h"

namespace torchferry {

/// A tensor of which one file holds a box.
struct SavedBox {
  const Checkpoint::State* content;  ///< what was read from the file, or from the part of it that starts at `start`
  std::uint32_t row;                 ///< of the content's table
  std::uint32_t file;                ///< index of TensorFile
  std::uint64_t start;
  std::span<const std::int64_t> at;  ///< in the whole tensor
};

/// What all boxes of a tensor have in common.
struct WholeTensor {
  std::string_view name;
  DType dtype;
  bool requires_grad;
  std::span<const std::int64_t> size;
};

/// Makes rows of tensors that files hold in boxes.
class BoxedTensors {
 public:
  BoxedTensors(Checkpoint::State& state, TableBuilder& builder) : state_(state), builder_(builder) {}

  /// Takes over all rows of a content, whose tensors get `name` as the storages' key; returns where its first tensor is.
  std::uint32_t adopt(std::string_view name, const Checkpoint::State& content, std::uint32_t file, std::uint64_t start);

  /// The row of a tensor whose boxes tile it exactly (TensorRow's sizes are those of the boxes). A single box that is
  /// the whole tensor stays as it is in its file; others become an assembly. Throws Error(corrupt) when a box has
  /// another dtype.
  std::uint32_t add(const WholeTensor& tensor, std::span<const SavedBox> boxes);

 private:
  void relocate(StorageRow& row, const Checkpoint::State& content, std::uint32_t file, std::uint64_t start);
  std::uint32_t add_assembly(const WholeTensor& tensor, std::span<const SavedBox> boxes);

  Checkpoint::State& state_;
  TableBuilder& builder_;
};

}  // namespace torchferry
