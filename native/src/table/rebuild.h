#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pickle/tree.h"
#include "table/table_builder.h"
#include "table/torch_names.h"

namespace torchferry {

/// Where the container keeps the storage that a persistent id names.
class StorageDirectory {
 public:
  struct Payload {
    std::uint32_t slot;  ///< below slots(); one for each storage
    std::uint32_t record;
    std::uint64_t file_offset;
    std::uint64_t stored_bytes;
    std::uint64_t nbytes;
    std::uint32_t crc32;
    bool deflated;
    std::string_view key;  ///< lives as long as the checkpoint
  };

  /// A tensor that the container lists by a key of its own, outside the pickle (the tar format): a view of a part of
  /// a storage.
  struct Listed {
    Payload payload;
    std::string_view location;
    DType dtype;
    std::uint64_t first_byte;  ///< of the part
    std::uint64_t nbytes;      ///< of the part
    std::int64_t storage_offset;
    std::span<const std::int64_t> sizes;
    std::span<const std::int64_t> strides;
  };

  virtual ~StorageDirectory() = default;
  virtual std::size_t slots() const = 0;
  virtual std::optional<Payload> find(std::string_view key) const = 0;
  /// Only where persistent ids are keys: whether one names a tensor. Throws Error(corrupt) for a key of nothing.
  virtual std::optional<Listed> listed(std::string_view) const { return std::nullopt; }
  virtual bool lists_tensors() const noexcept { return false; }
};

/// Turns the objects of a pickle tree that would have been tensors into rows of the table. Each node is interpreted
/// once; a node that two names reach is one row. Throws Error with the byte offset of the object in the pickle.
class Rebuilder {
 public:
  Rebuilder(const pickle::Tree& tree, TableBuilder& builder, const StorageDirectory& storages, bool swap_bytes);

  /// The row of the tensor that `node` stands for, or nothing when it is something else.
  std::optional<std::uint32_t> tensor(pickle::NodeId node);
  /// Storages that the tensors seen so far refer to, by slot; kNone where none does.
  const std::vector<std::uint32_t>& storage_rows() const noexcept { return storage_rows_; }
  /// By node: the row + 1 of the tensor that it is, 0 where it was not asked for, kNone where it is none.
  std::vector<std::uint32_t> take_rows_by_node() && { return std::move(rows_); }

 private:
  using NodeId = pickle::NodeId;
  using Arguments = std::span<const NodeId>;

  /// A storage as one persistent id gives it: with the element type of the id's class and, for a legacy view, a part.
  struct StorageUse {
    std::uint32_t row;
    DType dtype;
    bool untyped;
    std::uint64_t first_byte;
    std::uint64_t nbytes;
  };

  Rebuild function_of(NodeId callable);
  std::optional<TensorRow> build(NodeId node);
  std::optional<TensorRow> listed(NodeId persistent);
  std::optional<std::uint32_t> object_row(NodeId node);
  std::optional<std::uint32_t> listed_row(NodeId persistent);
  std::optional<TensorRow> build_call(NodeId node, Rebuild function, Arguments arguments);

  TensorRow strided(NodeId node, Arguments arguments, Rebuild function);
  TensorRow quantized(NodeId node, Arguments arguments);
  void set_quantizer(NodeId node, TensorRow& row, NodeId parameters);
  TensorRow sparse(NodeId node, Arguments arguments);
  TensorRow sparse_of(NodeId node, Layout layout, NodeId size, std::initializer_list<NodeId> parts);
  TensorRow nested(NodeId node, Arguments arguments);
  TensorRow meta(NodeId node, Arguments arguments);
  TensorRow device_tensor(NodeId node, Rebuild function, Arguments arguments);
  TensorRow wrapper(NodeId node, Arguments arguments);
  std::optional<TensorRow> parameter(NodeId node, Rebuild function, Arguments arguments);
  NodeId parameter_flag(NodeId node) const;
  std::optional<TensorRow> from_type(NodeId node, Arguments arguments);
  std::optional<TensorRow> tensor_object(NodeId node);

  StorageUse storage(NodeId node, NodeId persistent);
  std::uint32_t storage_row(NodeId node, const StorageDirectory::Payload& payload, std::string_view location,
                            std::uint64_t nbytes);
  void place(NodeId node, TensorRow& row, const StorageUse& use, NodeId offset, NodeId size, NodeId stride);
  /// With `sizes_` and `strides_` as they are.
  void place_at(NodeId node, TensorRow& row, const StorageUse& use, std::int64_t offset);
  void set_swap(TensorRow& row);
  void set_flags(NodeId node, TensorRow& row, NodeId metadata);
  void require_grad(NodeId node, TensorRow& row, NodeId flag);

  std::uint32_t part(NodeId node, NodeId of);
  std::int64_t integer(NodeId node, NodeId of, const char* what) const;
  std::string_view text(NodeId node, NodeId of, const char* what) const;
  DType dtype(NodeId node, NodeId of) const;
  std::string device_text(NodeId node, NodeId of) const;
  void integers(NodeId node, NodeId of, const char* what, std::vector<std::int64_t>& out) const;
  void require_count(NodeId node, Arguments arguments, std::size_t least, std::size_t most) const;
  [[noreturn]] void fail(NodeId node, std::string message) const;

  const pickle::Tree& tree_;
  TableBuilder& builder_;
  const StorageDirectory& storages_;
  const bool swap_bytes_;
  int depth_ = 0;
  std::vector<std::uint32_t> rows_;          // by node, as take_rows_by_node says
  std::vector<std::uint32_t> storage_rows_;  // by slot
  std::map<std::string, std::uint32_t> listed_rows_;  // by key
  std::vector<std::int64_t> sizes_;
  std::vector<std::int64_t> strides_;
  struct Known {
    NodeId callable = kNone;
    Rebuild function = Rebuild::unknown;
  };
  Known known_[16];
  NodeId last_class_ = kNone;
  StorageClass last_storage_class_;
};

}  // namespace torchferry
