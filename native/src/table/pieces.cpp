#include "table/pieces.h"

#include <torchferry/error.h>

#include <algorithm>

namespace torchferry {
namespace {

/// Why a tensor cannot be a piece of another; empty where it can.
const char* unfit(const TensorRow& row) {
  if (row.unsupported != kNone || row.layout != Layout::strided || row.storage == kNone) {
    return "a piece of it is sparse, nested, on the meta device, or cannot be read";
  }
  if (row.qscheme != QScheme::none || elements_per_item(row.dtype) != 1) return "a quantized tensor in pieces";
  if (row.conj || row.neg) return "a piece of it has a lazy conjugate or negative bit";
  return nullptr;
}

}  // namespace

void BoxedTensors::relocate(StorageRow& row, const Checkpoint::State& content, std::uint32_t file, std::uint64_t start) {
  row.file = file;
  if (start == 0 && content.source->size() == state_.files[file].source->size()) {
    if (content.archive && !state_.files[file].archive) state_.files[file].archive = content.archive;
    return;
  }
  if (row.readable_in_parts()) {
    row.file_offset += start;
    row.record = kNone;
    return;
  }
  // Its archive is needed to read it, and knows offsets from its own start only.
  row.file = static_cast<std::uint32_t>(state_.files.size());
  state_.files.push_back({content.source, content.archive, true});
}

std::uint32_t BoxedTensors::adopt(std::string_view name, const Checkpoint::State& content, std::uint32_t file,
                                  std::uint64_t start) {
  const bool alone = content.table.storages().size() == 1;
  return builder_.append(content.table, [&](StorageRow& row) {
    row.key = alone ? name : state_.names.add(std::string(name) + "/", row.key, false);
    relocate(row, content, file, start);
  });
}

std::uint32_t BoxedTensors::add(const WholeTensor& tensor, std::span<const SavedBox> boxes) {
  for (const SavedBox& box : boxes) {
    const DType dtype = box.content->table.tensors()[box.row].dtype;
    if (dtype != tensor.dtype) {
      throw Error(ErrorCode::corrupt, box.content->name, std::string(tensor.name), std::nullopt,
                  "the tensor's dtype is said to be " + std::string(name(tensor.dtype)) + ", and a piece of it is of " +
                      std::string(name(dtype)));
    }
  }
  if (boxes.size() == 1) return adopt(tensor.name, *boxes[0].content, boxes[0].file, boxes[0].start) + boxes[0].row;
  return add_assembly(tensor, boxes);
}

std::uint32_t BoxedTensors::add_assembly(const WholeTensor& tensor, std::span<const SavedBox> boxes) {
  TensorRow row = TableBuilder::blank(tensor.dtype);
  row.requires_grad = tensor.requires_grad && (is_floating_point(tensor.dtype) || is_complex(tensor.dtype));
  builder_.set_geometry(row, tensor.size, {});
  Assembly assembly;
  assembly.item_bytes = itemsize(tensor.dtype);
  assembly.size.assign(tensor.size.begin(), tensor.size.end());
  const std::uint64_t nbytes = row.numel * assembly.item_bytes;
  const std::uint32_t location = builder_.location(
      boxes.empty() ? "cpu" : boxes[0].content->table.location(boxes[0].content->table.tensors()[boxes[0].row]));
  StorageRow whole{tensor.name, location, nbytes, 0, nbytes, kNone, 0, 1, false};
  whole.assembly = static_cast<std::uint32_t>(state_.assemblies.size());
  const char* reason = nullptr;
  for (const SavedBox& box : boxes) {
    const TensorTable& table = box.content->table;
    const TensorRow& part = table.tensors()[box.row];
    if (reason == nullptr) reason = unfit(part);
    if (reason != nullptr) break;
    Piece piece;
    piece.storage = table.storages()[part.storage];
    piece.storage.key = tensor.name;
    relocate(piece.storage, *box.content, box.file, box.start);
    piece.storage_offset = static_cast<std::uint64_t>(part.storage_offset);
    piece.at.assign(box.at.begin(), box.at.end());
    piece.size.assign(table.sizes(part).begin(), table.sizes(part).end());
    piece.stride.assign(table.strides(part).begin(), table.strides(part).end());
    whole.deflated = whole.deflated || !piece.storage.readable_in_parts();
    assembly.pieces.push_back(std::move(piece));
  }
  row.location = location;
  if (reason != nullptr) {
    builder_.set_unsupported(row, reason);
    return builder_.add_tensor(row);
  }
  if (!assembly.pieces.empty()) {
    whole.file = assembly.pieces[0].storage.file;
    whole.file_offset = assembly.pieces[0].storage.file_offset;
  }
  row.storage = builder_.add_storage(whole);
  state_.assemblies.push_back(std::move(assembly));
  return builder_.add_tensor(row);
}

}  // namespace torchferry
