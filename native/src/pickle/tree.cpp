#include "pickle/tree.h"

#include "container/little_endian.h"
#include "pickle/opcodes.h"

namespace torchferry::pickle {

std::optional<std::string_view> Tree::python2_bytes(NodeId string) const noexcept {
  const Node& node = nodes_[string];
  if (node.kind != Kind::string || (node.flags & kPython2) == 0) return std::nullopt;
  if ((node.flags & kOwnedText) == 0) return text(string);
  // Transcoded: the opcode that made it, checked long ago, still stands in the pickle.
  const char* operand = input_ + node.offset + 1;
  const auto* length = reinterpret_cast<const std::byte*>(operand);
  if (static_cast<std::uint8_t>(operand[-1]) == opcode::kShortBinstring) {
    return std::string_view(operand + 1, std::to_integer<std::size_t>(*length));
  }
  return std::string_view(operand + 4, load_u32(length));
}

std::span<const NodeId> Tree::pairs(NodeId id) const noexcept {
  const Node& node = nodes_[id];
  return node.kind == Kind::dict ? elements(unpacked(node.word)) : std::span<const NodeId>();
}

std::string_view Tree::module(NodeId id) const noexcept {
  if (nodes_[id].kind != Kind::global) return {};
  const Name& entry = names_[nodes_[id].word];
  return owned(entry.qualified).substr(0, entry.module_length);
}

std::string_view Tree::name(NodeId id) const noexcept {
  if (nodes_[id].kind != Kind::global) return {};
  const Name& entry = names_[nodes_[id].word];
  return owned(entry.qualified).substr(entry.module_length + std::size_t{1});
}

std::string_view Tree::qualified_name(NodeId id) const noexcept {
  return nodes_[id].kind == Kind::global ? owned(names_[nodes_[id].word].qualified) : std::string_view();
}

Construction Tree::construction(NodeId object) const noexcept {
  return (nodes_[object].flags & kNewObject) != 0 ? Construction::new_object : Construction::reduce;
}

std::optional<NodeId> Tree::keywords(NodeId object) const noexcept {
  const Extras* more = extras(object);
  return more && more->keywords != kAbsent ? std::optional(more->keywords) : std::nullopt;
}

std::optional<NodeId> Tree::state(NodeId object) const noexcept {
  const Extras* more = extras(object);
  return more && more->state != kAbsent ? std::optional(more->state) : std::nullopt;
}

std::span<const NodeId> Tree::appended(NodeId object) const noexcept {
  const Extras* more = extras(object);
  return more ? elements(more->appended) : std::span<const NodeId>();
}

std::span<const NodeId> Tree::assigned(NodeId object) const noexcept {
  const Extras* more = extras(object);
  return more ? elements(more->assigned) : std::span<const NodeId>();
}

}  // namespace torchferry::pickle
