#include "table/places.h"

#include <torchferry/error.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <unordered_set>
#include <utility>

namespace torchferry {

using pickle::Kind;

namespace {

/// What a path can name below a node, in order.
std::vector<NodePair> children(const Tree& tree, NodeId node) {
  node = unwrap(tree, node);
  if (is_mapping(tree, node)) return mapping_items(tree, node);
  std::vector<NodePair> all;
  if (tree.kind(node) != Kind::object) return all;
  const auto module = module_parts(tree, node);
  const std::vector<NodeId> mappings = attribute_mappings(tree, node);
  for (const NodeId mapping : mappings) {
    for (const NodePair& item : mapping_items(tree, mapping)) all.push_back(item);
  }
  if (!module) return all;
  for (const std::optional<NodeId> mapping : {std::optional(module->parameters), module->buffers,
                                              std::optional(module->modules)}) {
    if (!mapping || !is_mapping(tree, *mapping)) continue;
    const auto items = mapping_items(tree, *mapping);
    all.insert(all.begin(), items.begin(), items.end());
  }
  return all;
}

bool is_sequence(const Tree& tree, NodeId node) {
  return tree.kind(node) == Kind::list || tree.kind(node) == Kind::tuple;
}

std::string available(const Tree& tree, NodeId node) {
  if (is_sequence(tree, node)) {
    return "indices 0 to " + std::to_string(tree.items(node).size()) + " (exclusive)";
  }
  std::string text;
  int shown = 0;
  for (const auto& [key, value] : children(tree, node)) {
    if (++shown > 12) return text + ", …";
    text += (text.empty() ? "'" : ", '") + key_text(tree, key) + "'";
  }
  return text.empty() ? "nothing" : text;
}

std::optional<NodeId> step_into(const Tree& tree, NodeId node, const std::string& step) {
  if (is_sequence(tree, node)) {
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
    if (error != std::errc{} || end != step.data() + step.size() || index >= tree.items(node).size()) {
      return std::nullopt;
    }
    return tree.items(node)[index];
  }
  std::optional<NodeId> by_text;
  for (const auto& [key, value] : children(tree, node)) {
    if (tree.kind(key) == Kind::string ? tree.text(key) == step : !by_text && key_text(tree, key) == step) {
      if (tree.kind(key) == Kind::string) return value;
      by_text = value;
    }
  }
  return by_text;
}

std::optional<std::uint32_t> row_of(const Checkpoint::State& state, NodeId node) {
  const std::uint32_t row = state.row_by_node[node];
  return row == 0 || row == kNone ? std::nullopt : std::optional(row - 1);
}

/// Looks for state dicts from the top of the content down. Bounded, because a file may refer to one container from
/// many others.
class Search {
 public:
  explicit Search(const Checkpoint::State& state) : state_(state), tree_(*state.tree) {}

  std::vector<StateDictPlace> run() && {
    look(tree_.root());
    return std::move(found_);
  }

 private:
  static constexpr std::size_t kMostPlaces = 64;
  static constexpr std::size_t kMostSteps = 6;
  static constexpr std::size_t kMostVisits = 100'000;

  void look(NodeId node) {
    node = unwrap(tree_, node);
    if (++visits_ > kMostVisits || found_.size() >= kMostPlaces || barren_.contains(node)) return;
    const std::size_t found_before = found_.size();
    if (!row_of(state_, node)) enter(node);
    if (found_.size() == found_before) barren_.insert(node);
  }

  void enter(NodeId node) {
    if (looks_like_state_dict(node)) return add(node);
    if (path_.size() >= kMostSteps) return;
    if (is_sequence(tree_, node)) {
      const auto items = tree_.items(node);
      for (std::size_t i = 0; i < items.size() && visits_ <= kMostVisits; ++i) step(std::to_string(i), items[i]);
      return;
    }
    const std::vector<NodePair> items = children(tree_, node);
    if (is_optimizer_state(items)) return;
    for (const auto& [key, value] : items) {
      if (is_container(value)) step(key_text(tree_, key), value);
    }
  }

  void step(std::string name, NodeId node) {
    path_.push_back(std::move(name));
    look(node);
    path_.pop_back();
  }

  bool is_container(NodeId node) const {
    const Kind kind = tree_.kind(unwrap(tree_, node));
    return kind == Kind::object || kind == Kind::dict || kind == Kind::list || kind == Kind::tuple;
  }

  /// A module, or a mapping of strings that are mostly the names of tensors.
  bool looks_like_state_dict(NodeId node) const {
    if (tree_.kind(node) == Kind::object) {
      if (module_parts(tree_, node) || state_.script_classes.contains(class_name(tree_, node))) return true;
    }
    if (!is_mapping(tree_, node)) return false;
    std::size_t tensors = 0;
    const auto items = mapping_items(tree_, node);
    for (const auto& [key, value] : items) {
      if (tree_.kind(key) == Kind::string && row_of(state_, unwrap(tree_, value))) ++tensors;
    }
    return 2 * tensors > items.size();
  }

  /// What torch.optim's state_dict() gives: its tensors are no model's.
  bool is_optimizer_state(const std::vector<NodePair>& items) const {
    int marks = 0;
    for (const auto& [key, value] : items) {
      if (tree_.kind(key) != Kind::string) continue;
      const std::string_view name = tree_.text(key);
      marks += name == "state" || name == "param_groups" ? 1 : 0;
    }
    return marks == 2;
  }

  void add(NodeId node) {
    NameArena names;
    std::vector<Entry> entries;
    try {
      list_tensors(state_, node, names, entries);
    } catch (const Error&) {
      return;  // such as one that contains itself: nothing that could be loaded
    }
    if (!entries.empty()) found_.push_back({path_, entries.size()});
  }

  const Checkpoint::State& state_;
  const Tree& tree_;
  std::vector<std::string> path_;
  std::vector<StateDictPlace> found_;
  std::unordered_set<NodeId> barren_;  // nothing was found there: a container listed many times over is read once
  std::size_t visits_ = 0;
};

std::string joined(std::span<const std::string> path) {
  std::string text;
  for (const std::string& step : path) text += (text.empty() ? "" : ".") + step;
  return text;
}

/// "; tensors are under 'model' (18), 'ema' (18)", or nothing where no place stands out.
std::string suggestion(const Checkpoint::State& state) {
  constexpr std::size_t kMostShown = 8;
  const std::vector<StateDictPlace> places = find_state_dicts(state);
  if (places.empty()) return {};
  if (places.front().path.empty()) return "; tensors are at the top (" + std::to_string(places.front().tensors) + ")";
  std::string text;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (i == kMostShown) return "; tensors are under " + text + ", …";
    text += (i == 0 ? "'" : ", '") + joined(places[i].path) + "' (" + std::to_string(places[i].tensors) + ")";
  }
  return "; tensors are under " + text;
}

}  // namespace

NodeId node_at(const Checkpoint::State& state, std::span<const std::string> path) {
  const Tree& tree = *state.tree;
  NodeId node = unwrap(tree, tree.root());
  for (std::size_t i = 0; i < path.size(); ++i) {
    const auto next = step_into(tree, node, path[i]);
    if (!next) {
      throw Error(ErrorCode::invalid_argument,
                  "no '" + path[i] + "' " +
                      (i == 0 ? "at the top of the content" : "in '" + joined(path.subspan(0, i)) + "'") +
                      "; there is: " + available(tree, node) + suggestion(state));
    }
    node = unwrap(tree, *next);
  }
  return node;
}

void list_tensors(const Checkpoint::State& state, NodeId node, NameArena& names, std::vector<Entry>& entries) {
  Walk walk(
      *state.tree, state.pickle.size(), [&state](NodeId at) { return row_of(state, at); }, names, state.options.limits);
  if (state.format == Format::torchscript) walk.use_script_classes(state.script_classes, nullptr);
  walk.from(node, entries);
}

std::vector<StateDictPlace> find_state_dicts(const Checkpoint::State& state) { return Search(state).run(); }

}  // namespace torchferry
