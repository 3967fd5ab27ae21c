#include "table/other_items.h"

#include <string>
#include <string_view>

#include "table/places.h"
#include "table/torch_names.h"

namespace torchferry {

using pickle::Kind;

namespace {

std::string_view object_class(const Tree& tree, NodeId object) {
  const std::string_view name = class_name(tree, object);
  if (name.ends_with(".multiarray._reconstruct")) return "numpy.ndarray";
  if (name == "builtins.complex") return "complex";
  if (name == "_codecs.encode") return "bytes";
  return name.starts_with("builtins.") ? name.substr(name.find('.') + 1) : name;
}

/// What Python's type() of the value prints.
std::string python_type(const Tree& tree, NodeId value) {
  std::string_view name = "object";
  switch (tree.kind(value)) {
    case Kind::none: name = "NoneType"; break;
    case Kind::boolean: name = "bool"; break;
    case Kind::integer:
    case Kind::big_integer: name = "int"; break;
    case Kind::real: name = "float"; break;
    case Kind::string: name = "str"; break;
    case Kind::bytes: name = "bytes"; break;
    case Kind::byte_array: name = "bytearray"; break;
    case Kind::tuple: name = "tuple"; break;
    case Kind::list: name = "list"; break;
    case Kind::set: name = "set"; break;
    case Kind::frozen_set: name = "frozenset"; break;
    case Kind::dict: name = "dict"; break;
    case Kind::global: name = tree.qualified_name(value).starts_with("torch.") ? "torch.dtype" : "type"; break;
    case Kind::persistent: name = "torch.storage.TypedStorage"; break;
    case Kind::object: name = object_class(tree, value); break;
  }
  return "<class '" + std::string(name) + "'>";
}

/// How many tensors a value lists.
std::size_t tensors_in(const Checkpoint::State& state, NodeId value) {
  const Tree& tree = *state.tree;
  value = unwrap(tree, value);
  const std::uint32_t row = state.row_by_node[value];
  if (row != 0 && row != kNone) return 1;
  switch (tree.kind(value)) {
    case Kind::object:
      // A tensor that cannot be represented is one all the same.
      if (rebuild_function(class_name(tree, value)) != Rebuild::unknown) return 1;
      [[fallthrough]];
    case Kind::dict:
    case Kind::list:
    case Kind::tuple: {
      NameArena names;
      std::vector<Entry> entries;
      list_tensors(state, value, names, entries);
      return entries.size();
    }
    default: return 0;
  }
}

}  // namespace

std::vector<OtherItem> other_items(const Checkpoint::State& state, NodeId node) {
  const Tree& tree = *state.tree;
  node = unwrap(tree, node);
  std::vector<OtherItem> others;
  if (!is_mapping(tree, node)) return others;
  std::size_t position = 0;
  for (const auto& [key, value] : mapping_items(tree, node)) {
    const std::size_t tensors = tensors_in(state, value);
    position += tensors;
    if (tensors > 0 || tree.kind(key) != Kind::string) continue;
    others.push_back({std::string(tree.text(key)), python_type(tree, unwrap(tree, value)), position});
  }
  return others;
}

}  // namespace torchferry
