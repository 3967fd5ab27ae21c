#include "table/rebuild.h"

#include <torchferry/error.h>

#include <utility>

#include "base/checked.h"
#include "table/content.h"

namespace torchferry {

using pickle::Kind;
using pickle::NodeId;

namespace {

constexpr int kMaxNesting = 64;  // tensors within tensors: a parameter of a subclass of a sparse tensor, and so on

}  // namespace

Rebuilder::Rebuilder(const pickle::Tree& tree, TableBuilder& builder, const StorageDirectory& storages,
                     bool swap_bytes)
    : tree_(tree),
      builder_(builder),
      storages_(storages),
      swap_bytes_(swap_bytes),
      rows_(tree.size(), 0),
      storage_rows_(storages.slots(), kNone) {}

void Rebuilder::fail(NodeId node, std::string message) const {
  throw Error(ErrorCode::corrupt, {}, {}, tree_.offset(node), std::move(message));
}

Rebuild Rebuilder::function_of(NodeId callable) {
  Known& known = known_[callable % std::size(known_)];
  if (known.callable != callable) {
    const bool named = tree_.kind(callable) == Kind::global;
    known = {callable, named ? rebuild_function(tree_.qualified_name(callable)) : Rebuild::unknown};
  }
  return known.function;
}

std::optional<std::uint32_t> Rebuilder::tensor(NodeId node) {
  const bool persistent = tree_.kind(node) == Kind::persistent && storages_.lists_tensors();
  if (tree_.kind(node) != Kind::object && !persistent) return std::nullopt;
  const std::uint32_t seen = rows_[node];
  if (seen != 0) return seen == kNone ? std::nullopt : std::optional(seen - 1);
  try {
    const std::optional<std::uint32_t> row = persistent ? listed_row(node) : object_row(node);
    rows_[node] = row ? *row + 1 : kNone;
    return row;
  } catch (const Error& error) {
    if (error.offset()) throw;
    throw Error(error.code(), {}, {}, tree_.offset(node), error.message());
  }
}

std::optional<std::uint32_t> Rebuilder::object_row(NodeId node) {
  const std::optional<TensorRow> row = build(node);
  if (!row) return std::nullopt;
  if (!tree_.assigned(node).empty() || !tree_.appended(node).empty()) {
    fail(node, "items are set on a tensor, as if it were a dict or a list");
  }
  return builder_.add_tensor(*row);
}

/// Every persistent id with the key of one tensor is that tensor.
std::optional<std::uint32_t> Rebuilder::listed_row(NodeId persistent) {
  const std::optional<TensorRow> row = listed(persistent);
  if (!row) return std::nullopt;
  const auto [known, is_new] = listed_rows_.emplace(key_text(tree_, tree_.items(persistent)[0]), 0);
  if (is_new) known->second = builder_.add_tensor(*row);
  return known->second;
}

/// A persistent id that is no tuple is the key of a tensor or of a storage that the container lists.
std::optional<TensorRow> Rebuilder::listed(NodeId persistent) {
  const NodeId id = tree_.items(persistent)[0];
  if (tree_.kind(id) == Kind::tuple) return std::nullopt;
  if (tree_.kind(id) != Kind::string && tree_.kind(id) != Kind::integer) fail(id, "a persistent id that is no key");
  const std::string key = key_text(tree_, id);
  const auto tensor = storages_.listed(key);
  if (!tensor) {
    if (!storages_.find(key)) fail(id, "the file has neither a tensor nor a storage '" + key + "'");
    return std::nullopt;
  }
  const StorageDirectory::Payload& payload = tensor->payload;
  TensorRow row = TableBuilder::blank(tensor->dtype);
  sizes_.assign(tensor->sizes.begin(), tensor->sizes.end());
  strides_.assign(tensor->strides.begin(), tensor->strides.end());
  const StorageUse use{storage_row(persistent, payload, tensor->location, payload.nbytes), tensor->dtype, false,
                       tensor->first_byte, tensor->nbytes};
  place_at(persistent, row, use, tensor->storage_offset);
  return row;
}

std::optional<TensorRow> Rebuilder::build(NodeId node) {
  if (tree_.kind(node) == Kind::persistent && storages_.lists_tensors()) return listed(node);
  if (tree_.kind(node) != Kind::object) return std::nullopt;
  const Rebuild function = function_of(tree_.callable(node));
  if (function == Rebuild::unknown || function == Rebuild::transparent) return std::nullopt;
  const NodeId arguments = tree_.arguments(node);
  if (tree_.kind(arguments) != Kind::tuple) fail(node, "a tensor's arguments are not a tuple");
  return build_call(node, function, tree_.items(arguments));
}

std::optional<TensorRow> Rebuilder::build_call(NodeId node, Rebuild function, Arguments arguments) {
  if (++depth_ > kMaxNesting) fail(node, "tensors are nested too deeply in each other");
  std::optional<TensorRow> row;
  switch (function) {
    case Rebuild::tensor_v1:
    case Rebuild::tensor_v2:
    case Rebuild::tensor_v3: row = strided(node, arguments, function); break;
    case Rebuild::parameter:
    case Rebuild::parameter_with_state:
    case Rebuild::parameter_class:
    case Rebuild::variable_class: row = parameter(node, function, arguments); break;
    case Rebuild::qtensor: row = quantized(node, arguments); break;
    case Rebuild::sparse: row = sparse(node, arguments); break;
    case Rebuild::nested: row = nested(node, arguments); break;
    case Rebuild::meta: row = meta(node, arguments); break;
    case Rebuild::device_tensor_from_cpu:
    case Rebuild::device_tensor_from_numpy: row = device_tensor(node, function, arguments); break;
    case Rebuild::wrapper_subclass: row = wrapper(node, arguments); break;
    case Rebuild::from_type: row = from_type(node, arguments); break;
    case Rebuild::tensor_class_object: row = tensor_object(node); break;
    case Rebuild::unknown:
    case Rebuild::transparent: break;
  }
  --depth_;
  return row;
}

TensorRow Rebuilder::strided(NodeId node, Arguments arguments, Rebuild function) {
  const bool v3 = function == Rebuild::tensor_v3;
  if (function == Rebuild::tensor_v1) {
    require_count(node, arguments, 4, 4);
  } else {
    require_count(node, arguments, v3 ? 7 : 6, v3 ? 8 : 7);
  }
  const StorageUse use = storage(node, arguments[0]);
  if (!v3 && use.untyped) fail(node, "an untyped storage in a rebuild function that takes the type from it");
  TensorRow row = TableBuilder::blank(v3 ? dtype(node, arguments[6]) : use.dtype);
  place(node, row, use, arguments[1], arguments[2], arguments[3]);
  if (function == Rebuild::tensor_v1) return row;
  require_grad(node, row, arguments[4]);
  const std::size_t metadata = v3 ? 7 : 6;
  if (arguments.size() > metadata) set_flags(node, row, arguments[metadata]);
  return row;
}

void Rebuilder::place(NodeId node, TensorRow& row, const StorageUse& use, NodeId offset, NodeId size, NodeId stride) {
  const std::int64_t first = integer(node, offset, "storage offset");
  integers(node, size, "size", sizes_);
  integers(node, stride, "stride", strides_);
  place_at(node, row, use, first);
}

void Rebuilder::place_at(NodeId node, TensorRow& row, const StorageUse& use, std::int64_t offset) {
  row.storage = use.row;
  row.location = builder_.storage(use.row).location;
  row.storage_offset = offset;
  if (strides_.size() != sizes_.size()) {
    fail(node, "a tensor has " + std::to_string(sizes_.size()) + " sizes but " + std::to_string(strides_.size()) +
                   " strides");
  }
  builder_.set_geometry(row, sizes_, strides_);
  if (use.first_byte != 0) {
    if (use.first_byte % itemsize(row.dtype) != 0) fail(node, "a storage view that does not start at an element");
    const auto skipped = static_cast<std::int64_t>(use.first_byte / itemsize(row.dtype) * elements_per_item(row.dtype));
    if (offset < 0 || offset > INT64_MAX - skipped) {
      fail(node, "a storage offset of " + std::to_string(offset) + " in a part of a storage");
    }
    row.storage_offset += skipped;
  }
  builder_.require_within_storage(row, use.first_byte + use.nbytes);
  if (swap_bytes_) set_swap(row);
}

void Rebuilder::set_swap(TensorRow& row) {
  const auto width = static_cast<std::uint8_t>(swap_width(row.dtype));
  StorageRow& storage = builder_.storage(row.storage);
  if (storage.swap_width == 1) {
    storage.swap_width = width;
  } else if (width != storage.swap_width) {
    builder_.set_unsupported(row, "views of one big-endian storage with elements of different widths");
  }
}

void Rebuilder::set_flags(NodeId node, TensorRow& row, NodeId metadata) {
  metadata = unwrap(tree_, metadata);
  if (tree_.kind(metadata) == Kind::none) return;
  if (!is_mapping(tree_, metadata)) fail(node, "a tensor's metadata are not a dict");
  row.conj = mapping_get(tree_, metadata, "conj").has_value();
  row.neg = mapping_get(tree_, metadata, "neg").has_value();
  if (row.conj && !is_complex(row.dtype)) fail(node, "a conjugate bit on a tensor that is not complex");
}

void Rebuilder::require_grad(NodeId node, TensorRow& row, NodeId flag) {
  if (tree_.kind(flag) != Kind::boolean) fail(node, "requires_grad is not a bool");
  row.requires_grad = tree_.boolean(flag);
  if (row.requires_grad && !is_floating_point(row.dtype) && !is_complex(row.dtype)) {
    fail(node, "only Tensors of floating point and complex dtype can require gradients, not " +
                   std::string(name(row.dtype)));
  }
}

Rebuilder::StorageUse Rebuilder::storage(NodeId node, NodeId persistent) {
  persistent = unwrap(tree_, persistent);
  if (tree_.kind(persistent) != Kind::persistent) fail(node, "a tensor's first argument is not a storage");
  const NodeId id = tree_.items(persistent)[0];
  if (tree_.kind(id) != Kind::tuple) fail(id, "a persistent id is not a tuple");
  const auto fields = tree_.items(id);
  if (fields.size() != 5 && fields.size() != 6) {
    fail(id, "a storage's persistent id has " + std::to_string(fields.size()) + " fields, not 5");
  }
  if (text(id, fields[0], "kind of persistent id") != "storage") fail(id, "a persistent id that is no storage");
  if (fields[1] != last_class_) {
    const bool named = tree_.kind(fields[1]) == Kind::global;
    const auto known = named ? storage_class(tree_.qualified_name(fields[1])) : std::nullopt;
    if (!known) {
      throw Error(ErrorCode::unsupported, {}, {}, tree_.offset(fields[1]),
                  "unknown storage class " + (named ? std::string(tree_.qualified_name(fields[1])) : "(not a name)"));
    }
    last_class_ = fields[1];
    last_storage_class_ = *known;
  }
  const StorageClass type = last_storage_class_;
  const std::string number = tree_.kind(fields[2]) == Kind::integer ? std::to_string(tree_.integer(fields[2])) : "";
  const std::string_view key = number.empty() ? text(id, fields[2], "storage key") : std::string_view(number);
  const std::string_view location = text(id, fields[3], "location");
  const std::int64_t numel = integer(id, fields[4], "number of elements");
  const auto nbytes = checked_mul(static_cast<std::uint64_t>(numel), itemsize(type.dtype));
  if (numel < 0 || !nbytes) fail(id, "a storage of " + std::to_string(numel) + " elements");
  const auto payload = storages_.find(key);
  if (!payload) fail(id, "storage '" + std::string(key) + "' is not in the file");
  StorageUse use{storage_row(id, *payload, location, *nbytes), type.dtype, type.untyped, 0, *nbytes};
  if (fields.size() == 6 && tree_.kind(fields[5]) == Kind::tuple) {
    const auto view = tree_.items(fields[5]);
    if (view.size() != 3) fail(id, "a storage view has " + std::to_string(view.size()) + " fields, not 3");
    const auto first = checked_mul(static_cast<std::uint64_t>(integer(id, view[1], "view offset")), itemsize(type.dtype));
    const auto length = checked_mul(static_cast<std::uint64_t>(integer(id, view[2], "view size")), itemsize(type.dtype));
    if (!first || !length || !range_within(*first, *length, *nbytes)) fail(id, "a storage view outside its storage");
    use.first_byte = *first;
    use.nbytes = *length;
  }
  return use;
}

std::uint32_t Rebuilder::storage_row(NodeId node, const StorageDirectory::Payload& payload, std::string_view location,
                                     std::uint64_t nbytes) {
  if (payload.nbytes != nbytes) {
    fail(node, "record size (" + std::to_string(payload.nbytes) + " bytes) does not match expected size (" +
                   std::to_string(nbytes) + " bytes) for storage '" + std::string(payload.key) + "'");
  }
  const std::uint32_t tag = builder_.location(location);
  std::uint32_t& row = storage_rows_[payload.slot];
  if (row == kNone) {
    row = builder_.add_storage({payload.key, tag, nbytes, payload.file_offset, payload.stored_bytes, payload.record,
                                payload.crc32, 1, payload.deflated});
  } else if (builder_.storage(row).location != tag) {
    fail(node, "storage '" + std::string(payload.key) + "' has two locations");
  }
  return row;
}

std::uint32_t Rebuilder::part(NodeId node, NodeId of) {
  of = unwrap(tree_, of);
  if (++depth_ > kMaxNesting) fail(node, "tensors are nested too deeply in each other");
  const std::optional<std::uint32_t> row = tensor(of);
  --depth_;
  if (!row) fail(node, "a component of a compound tensor is not a tensor");
  return *row;
}

std::int64_t Rebuilder::integer(NodeId node, NodeId of, const char* what) const {
  if (tree_.kind(of) != Kind::integer) fail(node, std::string("the ") + what + " is not an integer");
  return tree_.integer(of);
}

std::string_view Rebuilder::text(NodeId node, NodeId of, const char* what) const {
  const Kind kind = tree_.kind(of);
  if (kind != Kind::string && kind != Kind::bytes) fail(node, std::string("the ") + what + " is not a string");
  return tree_.text(of);
}

DType Rebuilder::dtype(NodeId node, NodeId of) const {
  if (tree_.kind(of) == Kind::global) {
    if (const auto known = dtype_global(tree_.qualified_name(of))) return *known;
    throw Error(ErrorCode::unsupported, {}, {}, tree_.offset(node),
                "unknown dtype " + std::string(tree_.qualified_name(of)));
  }
  fail(node, "a tensor's dtype is not a dtype");
}

void Rebuilder::integers(NodeId node, NodeId of, const char* what, std::vector<std::int64_t>& out) const {
  out.clear();
  of = unwrap(tree_, of);
  if (tree_.kind(of) == Kind::object && class_name(tree_, of) == "torch.Size") {
    const NodeId arguments = tree_.arguments(of);
    if (tree_.kind(arguments) == Kind::tuple && tree_.items(arguments).size() == 1) of = tree_.items(arguments)[0];
  }
  const Kind kind = tree_.kind(of);
  if (kind != Kind::tuple && kind != Kind::list) fail(node, std::string("the ") + what + " is not a tuple");
  for (const NodeId item : tree_.items(of)) out.push_back(integer(node, item, what));
}

void Rebuilder::require_count(NodeId node, Arguments arguments, std::size_t least, std::size_t most) const {
  if (arguments.size() >= least && arguments.size() <= most) return;
  fail(node, std::string(class_name(tree_, node)) + " got " + std::to_string(arguments.size()) +
                 " arguments, expected " + std::to_string(least) +
                 (most > least ? " to " + std::to_string(most) : std::string()));
}

}  // namespace torchferry
