#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pickle/tree.h"

namespace torchferry {

/// Reading a pickle tree as Python would see it: which nodes are dicts, what their keys are called, what is a module.
/// Everything here is a view of inert data; nothing is validated beyond what is asked for.

using pickle::NodeId;
using pickle::Tree;
using NodePair = std::pair<NodeId, NodeId>;

/// The qualified name of an object's callable; "" when that is not a global, and for a node that is no object.
std::string_view class_name(const Tree& tree, NodeId object);

/// `node` without the wrappers that stand for their first argument (torch.jit._pickle.*).
NodeId unwrap(const Tree& tree, NodeId node);

/// Whether the node is a mapping in Python: a dict, OrderedDict, defaultdict or Counter.
bool is_mapping(const Tree& tree, NodeId node);

/// Keys and values of a mapping, with Python's rule for a key that was set twice: the first place, the last value.
std::vector<NodePair> mapping_items(const Tree& tree, NodeId mapping);

/// The value under a string key of a mapping or of an object's state.
std::optional<NodeId> mapping_get(const Tree& tree, NodeId mapping, std::string_view key);

/// The attributes that BUILD gave an object: its state when that is a mapping, or the mapping inside a state tuple
/// (dict, slots).
std::vector<NodeId> attribute_mappings(const Tree& tree, NodeId object);

/// The `_parameters`, `_buffers` and `_modules` of an object that has them in its state: an nn.Module, whatever its
/// class.
struct ModuleParts {
  NodeId parameters;
  std::optional<NodeId> buffers;
  NodeId modules;
  std::optional<NodeId> non_persistent;
};
std::optional<ModuleParts> module_parts(const Tree& tree, NodeId object);

/// Python's str() of a dict key, as far as a key of plain data goes: the text of a string, the digits of an integer,
/// repr of the parts of a tuple.
std::string key_text(const Tree& tree, NodeId key);

/// Python's repr of a float.
std::string float_text(double value);

/// Decimal digits of a little-endian two's complement integer.
std::string decimal_text(std::string_view twos_complement);

}  // namespace torchferry
