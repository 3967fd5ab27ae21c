#pragma once

#include <torchferry/error.h>
#include <torchferry/limits.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "pickle/python2_names.h"
#include "pickle/tree.h"

namespace torchferry::pickle {

/// What a global makes of its arguments, when that is one of Python's plain values: the way in which pickles
/// of protocols 0 to 3 write bytes, bytearray, set and frozenset.
enum class PlainCall : std::uint8_t { none, encode, bytes, byte_array, set, frozen_set };

/// Makes and fills the nodes of one Tree, within the limits pickle_nodes, name_bytes and depth.
///
/// Depth: each node keeps its height, one more than the greatest that its elements had when they were put in,
/// and no height may pass `Limits::depth`. That is exact wherever containers are put into others after they
/// were filled, as picklers do. It falls short where a container is filled after it was put into another,
/// which only values that contain themselves need, so a walk over a Tree keeps count of its own depth all the
/// same. Heights above 65535 are not told apart: a higher `Limits::depth` is no limit.
///
/// Memory: every reference put into a container was on the stack, which cost the pickle a byte, except those
/// copied from one container to another; these are counted against pickle_nodes.
class TreeBuilder {
 public:
  /// `input` must outlive the tree, which points into it. At most 2^32 - 1 bytes.
  TreeBuilder(std::string_view input, const Limits& limits);

  /// Says where in the input the opcode stands that is being run: its nodes and errors carry this offset.
  void at(const char* opcode) noexcept { opcode_ = opcode; }
  std::uint32_t offset() const noexcept { return static_cast<std::uint32_t>(opcode_ - tree_.input_); }
  [[noreturn]] void fail(ErrorCode code, const std::string& message) const;
  [[noreturn]] void passed_limit(const char* field, std::uint64_t limit, const std::string& what) const;

  Kind kind(NodeId id) const noexcept { return tree_.nodes_[id].kind; }
  std::string_view text(NodeId id) const noexcept { return tree_.text(id); }
  std::span<const NodeId> items(NodeId id) const noexcept { return tree_.items(id); }
  std::span<const NodeId> pairs(NodeId id) const noexcept { return tree_.pairs(id); }
  /// PlainCall::none for what is not a global.
  PlainCall plain_call(NodeId callable) const noexcept {
    const Tree::Node& node = tree_.nodes_[callable];
    return node.kind == Kind::global ? static_cast<PlainCall>(node.flags) : PlainCall::none;
  }

  NodeId none() { return shared(none_, Kind::none, 0); }
  NodeId boolean(bool value) { return shared(value ? true_ : false_, Kind::boolean, value ? 1 : 0); }
  NodeId empty_tuple() { return shared(empty_tuple_, Kind::tuple, 0); }
  NodeId integer(std::int64_t value) {
    const auto word = static_cast<std::uint64_t>(value);
    return word < small_.size() ? shared(small_[word], Kind::integer, word) : make(Kind::integer, word);
  }
  NodeId real(double value);
  /// A value whose payload is `text`, a part of the input.
  NodeId text(Kind kind, std::string_view text) { return make(kind, Tree::packed(in_input(text))); }
  /// What BINSTRING wrote: UTF-8, else Latin-1.
  NodeId python2_string(std::string_view bytes);
  /// The bytes whose values are the code points of `string`; empty when one does not fit. The same node for
  /// the same string, so that a small pickle cannot ask for the work again and again.
  std::optional<NodeId> latin1_bytes(NodeId string);
  /// A byte_array with the payload of bytes.
  NodeId byte_array_of(NodeId bytes);
  /// A set or frozen_set of what `list` holds now.
  NodeId set_of(Kind kind, NodeId list);

  /// An empty list, set, dict, bytes or byte_array.
  NodeId empty(Kind kind) { return make(kind, 0, 0, 1); }
  NodeId tuple(std::span<const NodeId> items) { return fixed(Kind::tuple, items); }
  NodeId frozen_set(std::span<const NodeId> items) { return fixed(Kind::frozen_set, items); }
  NodeId persistent(NodeId id) { return fixed(Kind::persistent, {&id, 1}); }
  NodeId global(GlobalName name);
  /// `arguments` must be a tuple.
  NodeId object(Construction construction, NodeId callable, NodeId arguments);
  void give_keywords(NodeId object, NodeId keywords);

  /// Adds to the elements of a list or set, to the pairs of a dict, to what an object was given.
  void append(NodeId container, std::span<const NodeId> items);
  void assign(NodeId container, std::span<const NodeId> pairs);
  /// Gives an object its state.
  void build(NodeId object, NodeId state);

  Tree finish(NodeId root) &&;

 private:
  using Range = Tree::Range;

  NodeId make(Kind kind, std::uint64_t word, std::uint8_t flags = 0, std::uint16_t height = 0) {
    if (tree_.nodes_.size() >= node_limit_) too_many_nodes();
    tree_.nodes_.push_back({word, offset(), kind, flags, height});
    return static_cast<NodeId>(tree_.nodes_.size() - 1);
  }
  NodeId shared(NodeId& known, Kind kind, std::uint64_t word) {
    return known != Tree::kAbsent ? known : first_of(known, kind, word);
  }
  NodeId first_of(NodeId& known, Kind kind, std::uint64_t word);
  NodeId fixed(Kind kind, std::span<const NodeId> items) {
    const std::size_t start = tree_.pool_.size();
    if (start + items.size() > kMaxPool) pool_full();
    NodeId* place = tree_.pool_.extend(items.size());
    std::uint32_t height = 0;
    for (const NodeId item : items) {
      *place++ = item;
      height = std::max<std::uint32_t>(height, tree_.nodes_[item].height);
    }
    const Range range{static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(items.size())};
    return make(kind, Tree::packed(range), 0, height_above(height));
  }
  std::uint16_t height_over(std::span<const NodeId> items) const {
    std::uint32_t height = 0;
    for (const NodeId item : items) height = std::max<std::uint32_t>(height, tree_.nodes_[item].height);
    return height_above(height);
  }
  std::uint16_t height_above(std::uint32_t height) const {
    if (height >= depth_limit_) too_deep();
    return static_cast<std::uint16_t>(std::min(height + 1, kMaxHeight));
  }

  static constexpr std::uint32_t kMaxHeight = 0xFFFF;
  static constexpr std::uint64_t kMaxPool = 0xFFFFFFFFu;

  Range in_input(std::string_view text) const noexcept {
    return {static_cast<std::uint32_t>(text.data() - tree_.input_), static_cast<std::uint32_t>(text.size())};
  }
  Range owned_since(std::size_t start);
  /// `range` with places for `more` elements at its end, not yet set; its elements may move.
  Range grown(Range range, std::size_t more);
  void add_to(Range& range, std::span<const NodeId> items);
  void raise_height(NodeId container, std::span<const NodeId> items);
  void count_copies(std::size_t references);
  Tree::Extras& extras(NodeId object);
  void merge_state(Tree::Extras& extras, NodeId state);

  [[noreturn]] void too_many_nodes() const;
  [[noreturn]] void too_deep() const;
  [[noreturn]] void pool_full() const;

  Tree tree_;
  const Limits limits_;
  std::uint64_t node_limit_;
  std::uint32_t depth_limit_;
  const char* opcode_;
  std::uint64_t copied_ = 0;
  std::uint64_t name_bytes_ = 0;
  std::unordered_map<NodeId, NodeId> latin1_;  ///< string to its bytes, kAbsent where it has none
  NodeId none_ = Tree::kAbsent;
  NodeId true_ = Tree::kAbsent;
  NodeId false_ = Tree::kAbsent;
  NodeId empty_tuple_ = Tree::kAbsent;
  std::array<NodeId, 256> small_;
};

}  // namespace torchferry::pickle
