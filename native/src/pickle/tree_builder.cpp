#include "pickle/tree_builder.h"

#include <bit>
#include <utility>

#include "base/limit_error.h"
#include "base/utf8.h"

namespace torchferry::pickle {
namespace {

/// Nodes and references that room is made for at once. `input` may be far larger than the pickle at its
/// start, so the guess from its size (torch.save writes about eight bytes a node) has an upper bound.
std::size_t expected_nodes(std::size_t input_bytes) {
  return std::min<std::size_t>(input_bytes / 7 + 16, 1u << 18);
}

PlainCall plain_call_named(std::string_view name) {
  if (name == "_codecs.encode") return PlainCall::encode;
  if (name == "builtins.bytes") return PlainCall::bytes;
  if (name == "builtins.bytearray") return PlainCall::byte_array;
  if (name == "builtins.set") return PlainCall::set;
  if (name == "builtins.frozenset") return PlainCall::frozen_set;
  return PlainCall::none;
}

/// Places that a stretch has which can grow.
std::uint32_t room(std::uint32_t count) { return count == 0 ? 0 : std::bit_ceil(count); }

}  // namespace

TreeBuilder::TreeBuilder(std::string_view input, const Limits& limits)
    : limits_(limits),
      node_limit_(std::min<std::uint64_t>(limits.pickle_nodes, Tree::kAbsent - 1)),
      depth_limit_(limits.depth >= kMaxHeight ? 0xFFFFFFFFu : limits.depth),
      opcode_(input.data()) {
  tree_.input_ = input.data();
  tree_.nodes_.reserve(std::min<std::uint64_t>(expected_nodes(input.size()), node_limit_));
  tree_.pool_.reserve(expected_nodes(input.size()) * 4 / 3);
  small_.fill(Tree::kAbsent);
}

void TreeBuilder::fail(ErrorCode code, const std::string& message) const {
  throw Error(code, {}, {}, offset(), message);
}

void TreeBuilder::passed_limit(const char* field, std::uint64_t limit, const std::string& what) const {
  fail(ErrorCode::limit_exceeded, over_limit(what, field, limit));
}

void TreeBuilder::too_many_nodes() const {
  passed_limit("pickle_nodes", node_limit_, "the pickle makes too many values");
}

void TreeBuilder::too_deep() const {
  passed_limit("depth", depth_limit_, "containers stand inside containers too deeply");
}

void TreeBuilder::pool_full() const {
  passed_limit("pickle_nodes", node_limit_, "the pickle's containers hold more than 2^32 - 1 references");
}

NodeId TreeBuilder::first_of(NodeId& known, Kind kind, std::uint64_t word) {
  known = make(kind, word);
  return known;
}

NodeId TreeBuilder::real(double value) { return make(Kind::real, std::bit_cast<std::uint64_t>(value)); }

NodeId TreeBuilder::python2_string(std::string_view bytes) {
  if (is_utf8(bytes)) return make(Kind::string, Tree::packed(in_input(bytes)), Tree::kPython2);
  const std::size_t start = tree_.owned_.size();
  append_latin1_as_utf8(bytes, tree_.owned_);
  return make(Kind::string, Tree::packed(owned_since(start)), Tree::kPython2 | Tree::kOwnedText);
}

std::optional<NodeId> TreeBuilder::latin1_bytes(NodeId string) {
  const auto [known, is_new] = latin1_.try_emplace(string, Tree::kAbsent);
  if (is_new) {
    const Tree::Node& node = tree_.nodes_[string];
    const std::size_t start = tree_.owned_.size();
    if (is_ascii(text(string))) {
      known->second = make(Kind::bytes, node.word, node.flags & Tree::kOwnedText);
    } else if (append_utf8_as_latin1(std::string(text(string)), tree_.owned_)) {
      known->second = make(Kind::bytes, Tree::packed(owned_since(start)), Tree::kOwnedText);
    }
  }
  return known->second == Tree::kAbsent ? std::nullopt : std::optional(known->second);
}

NodeId TreeBuilder::byte_array_of(NodeId bytes) {
  return make(Kind::byte_array, tree_.nodes_[bytes].word, tree_.nodes_[bytes].flags);
}

NodeId TreeBuilder::set_of(Kind kind, NodeId list) {
  return make(kind, tree_.nodes_[list].word, Tree::kSnapshot, tree_.nodes_[list].height);
}

TreeBuilder::Range TreeBuilder::owned_since(std::size_t start) {
  if (tree_.owned_.size() > 0xFFFFFFFFu) {
    passed_limit("pickle_bytes", limits_.pickle_bytes, "texts of over 2^32 - 1 bytes when transcoded");
  }
  return {static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(tree_.owned_.size() - start)};
}

NodeId TreeBuilder::global(GlobalName name) {
  name_bytes_ += name.module.size() + name.name.size();
  if (name_bytes_ > limits_.name_bytes) {
    passed_limit("name_bytes", limits_.name_bytes, "the names of classes and functions are too long");
  }
  const std::size_t start = tree_.owned_.size();
  std::string qualified;
  qualified.reserve(name.module.size() + 1 + name.name.size());
  qualified.append(name.module).append(1, '.').append(name.name);
  tree_.owned_ += qualified;
  tree_.names_.push_back({owned_since(start), static_cast<std::uint32_t>(name.module.size())});
  return make(Kind::global, tree_.names_.size() - 1, static_cast<std::uint8_t>(plain_call_named(qualified)));
}

NodeId TreeBuilder::object(Construction construction, NodeId callable, NodeId arguments) {
  const NodeId parts[] = {callable, arguments};
  const bool is_new = construction == Construction::new_object;
  return make(Kind::object, Tree::packed({callable, arguments}),
              static_cast<std::uint8_t>(is_new ? Tree::kNewObject : 0), height_over(parts));
}

Tree::Extras& TreeBuilder::extras(NodeId object) {
  Tree::Node& node = tree_.nodes_[object];
  if ((node.flags & Tree::kHasExtras) == 0) {
    const Range parts = Tree::unpacked(node.word);
    Tree::Extras extras;
    extras.callable = parts.start;
    extras.arguments = parts.count;
    tree_.extras_.push_back(extras);
    node.word = tree_.extras_.size() - 1;
    node.flags |= Tree::kHasExtras;
  }
  return tree_.extras_[node.word];
}

void TreeBuilder::give_keywords(NodeId object, NodeId keywords) {
  raise_height(object, {&keywords, 1});
  extras(object).keywords = keywords;
}

void TreeBuilder::raise_height(NodeId container, std::span<const NodeId> items) {
  const std::uint16_t height = height_over(items);
  Tree::Node& node = tree_.nodes_[container];
  node.height = std::max(node.height, height);
}

TreeBuilder::Range TreeBuilder::grown(Range range, std::size_t more) {
  const std::uint64_t count = range.count + std::uint64_t{more};
  const std::uint64_t places = std::bit_ceil(count);
  if (count > room(range.count)) {
    GrowingArray<NodeId>& pool = tree_.pool_;
    const bool at_end = range.count != 0 && std::uint64_t{range.start} + room(range.count) == pool.size();
    const std::uint64_t start = at_end ? range.start : pool.size();
    if (start + places > kMaxPool) pool_full();
    pool.extend(start + places - pool.size());
    if (!at_end) std::copy_n(pool.data() + range.start, range.count, pool.data() + start);
    range.start = static_cast<std::uint32_t>(start);
  }
  range.count = static_cast<std::uint32_t>(count);
  return range;
}

void TreeBuilder::add_to(Range& range, std::span<const NodeId> items) {
  const std::uint32_t before = range.count;
  range = grown(range, items.size());
  std::copy(items.begin(), items.end(), tree_.pool_.data() + range.start + before);
}

void TreeBuilder::count_copies(std::size_t references) {
  copied_ += references;
  if (copied_ > node_limit_) too_many_nodes();
}

void TreeBuilder::append(NodeId container, std::span<const NodeId> items) {
  raise_height(container, items);
  if (kind(container) == Kind::object) return add_to(extras(container).appended, items);
  Tree::Node& node = tree_.nodes_[container];
  Range range = Tree::unpacked(node.word);
  if (kind(container) == Kind::set && (node.flags & Tree::kSnapshot) != 0) {
    count_copies(range.count);
    const Range before = range;
    range = grown({}, before.count);
    std::copy_n(tree_.pool_.data() + before.start, before.count, tree_.pool_.data() + range.start);
    node.flags = 0;
  }
  add_to(range, items);
  node.word = Tree::packed(range);
}

void TreeBuilder::assign(NodeId container, std::span<const NodeId> pairs) {
  raise_height(container, pairs);
  if (kind(container) == Kind::object) return add_to(extras(container).assigned, pairs);
  Tree::Node& node = tree_.nodes_[container];
  Range range = Tree::unpacked(node.word);
  add_to(range, pairs);
  node.word = Tree::packed(range);
}

void TreeBuilder::build(NodeId object, NodeId state) {
  raise_height(object, {&state, 1});
  Tree::Extras& more = extras(object);
  if (more.state != Tree::kAbsent && kind(more.state) == Kind::dict && kind(state) == Kind::dict) {
    return merge_state(more, state);
  }
  more.state = state;
  more.state_merged = false;
}

void TreeBuilder::merge_state(Tree::Extras& extras, NodeId state) {
  if (!extras.state_merged) {
    const NodeId first = extras.state;
    extras.state = make(Kind::dict, 0, 0, tree_.nodes_[first].height);
    extras.state_merged = true;
    merge_state(extras, first);
  }
  const Range from = Tree::unpacked(tree_.nodes_[state].word);
  count_copies(from.count);
  Tree::Node& merged = tree_.nodes_[extras.state];
  const std::uint32_t before = Tree::unpacked(merged.word).count;
  const Range range = grown(Tree::unpacked(merged.word), from.count);
  std::copy_n(tree_.pool_.data() + from.start, from.count, tree_.pool_.data() + range.start + before);
  merged.word = Tree::packed(range);
  merged.height = std::max(merged.height, tree_.nodes_[state].height);
}

Tree TreeBuilder::finish(NodeId root) && {
  tree_.root_ = root;
  return std::move(tree_);
}

}  // namespace torchferry::pickle
