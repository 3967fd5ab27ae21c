#pragma once

#include <torchferry/dtype.h>

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry {

enum class Layout : std::uint8_t { strided, sparse_coo, sparse_csr, sparse_csc, sparse_bsr, sparse_bsc, nested };

enum class QScheme : std::uint8_t {
  none,
  per_tensor_affine,
  per_channel_affine,
  per_channel_affine_float_qparams,
};

/// torch's name: "strided", "sparse_coo", "nested".
std::string_view name(Layout layout) noexcept;
std::string_view name(QScheme scheme) noexcept;

inline constexpr std::uint32_t kNone = 0xFFFF'FFFF;

/// One storage of the checkpoint, validated: its payload lies inside its file and has exactly `nbytes` bytes; or it
/// is put together from pieces of which the same is true.
struct StorageRow {
  /// Unique. As written in the file; in a checkpoint of several files after the file's name and '/', and of a tensor
  /// that is put together, the tensor's name.
  std::string_view key;
  std::uint32_t location;      ///< index of the saved location
  std::uint64_t nbytes;        ///< bytes in memory (after inflating)
  std::uint64_t file_offset;   ///< of the payload (of the first piece), in bytes from the start of the file
  std::uint64_t stored_bytes;  ///< bytes in the file
  std::uint32_t record;        ///< index of the container's record, kNone where the format has none
  std::uint32_t crc32;         ///< 0: not recorded
  std::uint8_t swap_width;     ///< bytes per unit to reverse because the file's byte order is not ours; 1: none
  bool deflated;               ///< it, or a piece of it, has to be inflated or swapped to be read
  std::uint32_t file = 0;      ///< index of Checkpoint::file_name
  std::uint32_t assembly = kNone;  ///< which tensor's pieces it is put together from; kNone: it is whole in the file

  /// Whether the bytes in the file are the bytes in memory, so that parts of them can be read.
  bool readable_in_parts() const noexcept { return !deflated && swap_width == 1; }
  bool assembled() const noexcept { return assembly != kNone; }
  /// Whether they also lie in one piece, so that a mapping can serve as the storage.
  bool mappable() const noexcept { return readable_in_parts() && !assembled(); }
};

/// One tensor of the file, validated: every element that it can reach lies inside its storage. Sizes, strides and
/// the offset are in elements. A row is a tensor object of the file: two names of one tensor are one row.
struct TensorRow {
  DType dtype;
  Layout layout;
  QScheme qscheme;
  bool requires_grad;
  bool parameter;        ///< torch.nn.Parameter
  bool buffer;           ///< torch.nn.Buffer (marked so in the file)
  bool conj;             ///< lazy conjugate bit
  bool neg;              ///< lazy negative bit
  std::uint32_t storage;         ///< row of the storage; kNone for meta, sparse and nested tensors
  std::uint32_t location;        ///< saved location: its storage's, or its own where the file gives one
  std::int64_t storage_offset;
  std::uint32_t dim;             ///< number of dimensions
  std::uint32_t first_size;      ///< into the table's pool: dim sizes, then dim strides
  std::uint32_t first_part;      ///< into the table's parts: rows of this tensor's components
  /// coo: indices, values · csr, csc, bsr, bsc: compressed indices, plain indices, values · nested: buffer, sizes,
  /// strides, offsets · per-channel quantized: scales, zero points.
  std::uint32_t part_count;
  double scale;                  ///< per_tensor_affine
  std::int64_t zero_point;       ///< per_tensor_affine
  std::int64_t axis;             ///< per-channel schemes
  bool coalesced;                ///< sparse_coo: the file says so
  /// Why this tensor cannot be loaded though the file is sound, as an index of messages; kNone: it can.
  std::uint32_t unsupported;
  std::uint64_t numel;           ///< product of the sizes
};

/// A tensor under the name that the content gives it.
struct Entry {
  std::string_view key;      ///< path through the content joined with '.', "" for a bare tensor; UTF-8 as in the file
  std::uint32_t tensor;      ///< row
};

/// All tensors and storages of a checkpoint, validated once; everything after trusts it. Immutable once built, safe
/// to read from any thread, no libtorch needed. Views live as long as the checkpoint.
class TensorTable {
 public:
  std::span<const TensorRow> tensors() const noexcept { return tensors_; }
  std::span<const StorageRow> storages() const noexcept { return storages_; }
  /// Distinct saved locations in order of first appearance, as written ("cpu", "cuda:0").
  const std::vector<std::string>& locations() const noexcept { return locations_; }

  std::span<const std::int64_t> sizes(const TensorRow& row) const noexcept {
    return {dims_.data() + row.first_size, row.dim};
  }
  std::span<const std::int64_t> strides(const TensorRow& row) const noexcept {
    return {dims_.data() + row.first_size + row.dim, row.dim};
  }
  std::span<const std::uint32_t> parts(const TensorRow& row) const noexcept {
    return {parts_.data() + row.first_part, row.part_count};
  }
  /// The reason of an unsupported row; empty where it is supported.
  std::string_view unsupported(const TensorRow& row) const noexcept {
    return row.unsupported == kNone ? std::string_view{} : std::string_view{messages_[row.unsupported]};
  }
  const std::string& location(const TensorRow& row) const noexcept { return locations_[row.location]; }

  /// Bytes that the tensor's elements take: numel × itemsize (packed types: per item), not its storage's size.
  /// Sparse and nested tensors: of all components.
  std::uint64_t nbytes(const TensorRow& row) const noexcept;
  /// torch.Tensor.is_contiguous() for strided rows.
  bool is_contiguous(const TensorRow& row) const noexcept;
  /// Whether the elements, in row-major order, are one range of the storage's bytes as they stand (contiguous, no
  /// conj or neg bit, no byte swap): what `Checkpoint::bytes` can hand out.
  bool is_plain_range(const TensorRow& row) const noexcept;

 private:
  friend class TableBuilder;

  std::vector<TensorRow> tensors_;
  std::vector<StorageRow> storages_;
  std::vector<std::string> locations_;
  std::vector<std::int64_t> dims_;
  std::vector<std::uint32_t> parts_;
  std::deque<std::string> messages_;
};

}  // namespace torchferry
