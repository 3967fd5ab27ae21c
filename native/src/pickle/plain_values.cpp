#include "pickle/plain_values.h"

namespace torchferry::pickle {
namespace {

/// encode(text, 'latin1'): how protocols 0 to 2 write bytes that are not empty.
std::optional<NodeId> encoded(TreeBuilder& tree, std::span<const NodeId> arguments) {
  if (arguments.size() != 2 || tree.kind(arguments[0]) != Kind::string) return std::nullopt;
  if (tree.kind(arguments[1]) != Kind::string) return std::nullopt;
  const std::string_view encoding = tree.text(arguments[1]);
  if (encoding != "latin1" && encoding != "latin-1") return std::nullopt;
  return tree.latin1_bytes(arguments[0]);
}

std::optional<NodeId> byte_array(TreeBuilder& tree, std::span<const NodeId> arguments) {
  if (arguments.empty()) return tree.empty(Kind::byte_array);
  if (arguments.size() == 1 && tree.kind(arguments[0]) == Kind::bytes) {
    return tree.byte_array_of(arguments[0]);
  }
  if (const auto bytes = encoded(tree, arguments)) return tree.byte_array_of(*bytes);
  return std::nullopt;
}

std::optional<NodeId> set(TreeBuilder& tree, Kind kind, std::span<const NodeId> arguments) {
  if (arguments.empty()) return tree.empty(kind);
  if (arguments.size() == 1 && tree.kind(arguments[0]) == Kind::list) return tree.set_of(kind, arguments[0]);
  return std::nullopt;
}

}  // namespace

std::optional<NodeId> plain_value(TreeBuilder& tree, NodeId callable, NodeId arguments) {
  const auto items = tree.items(arguments);
  switch (tree.plain_call(callable)) {
    case PlainCall::encode: return encoded(tree, items);
    case PlainCall::bytes: return items.empty() ? std::optional(tree.empty(Kind::bytes)) : std::nullopt;
    case PlainCall::byte_array: return byte_array(tree, items);
    case PlainCall::set: return set(tree, Kind::set, items);
    case PlainCall::frozen_set: return set(tree, Kind::frozen_set, items);
    case PlainCall::none: break;
  }
  return std::nullopt;
}

}  // namespace torchferry::pickle
