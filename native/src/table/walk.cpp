#include "table/walk.h"

#include <torchferry/error.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <unordered_set>

#include "base/limit_error.h"
#include "table/torch_names.h"

namespace torchferry {

using pickle::Kind;

std::string_view NameArena::add(std::string_view prefix, std::string_view name, bool dot) {
  const std::size_t size = prefix.size() + (dot ? 1 : 0) + name.size();
  if (size > left_) {
    const std::size_t block = std::max<std::size_t>(size, 64 << 10);
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block));
    next_ = blocks_.back().get();
    left_ = block;
  }
  char* const start = next_;
  char* end = std::copy(prefix.begin(), prefix.end(), start);
  if (dot) *end++ = '.';
  std::copy(name.begin(), name.end(), end);
  next_ += size;
  left_ -= size;
  bytes_ += size;
  return {start, size};
}

void Walk::from(NodeId node, std::vector<Entry>& entries) {
  entries_ = &entries;
  visit(node, {}, true);
  entries_ = nullptr;
}

void Walk::emit(std::string_view key, std::uint32_t tensor) {
  if (entries_->size() >= most_tensors_) too_much("tensors", most_tensors_, limits_.tensors);
  entries_->push_back({key, tensor});
}

/// Below the root every name has a dot in front, an empty one too.
std::string_view Walk::joined(std::string_view prefix, std::string_view name, bool at_root) {
  name_bytes_ += prefix.size() + name.size() + 1;
  if (name_bytes_ > most_name_bytes_) too_much("name_bytes", most_name_bytes_, limits_.name_bytes);
  return at_root ? names_.add({}, name, false) : names_.add(prefix, name, true);
}

void Walk::too_much(const char* limit, std::uint64_t most, std::uint64_t allowed) const {
  const std::string what = std::string("the content lists too ") +
                           (limit == std::string_view("tensors") ? "many tensors" : "long names of tensors");
  const std::string message =
      most == allowed ? over_limit(what, limit, most)
                      : what + " for a pickle of its size, which may have " + limit + " = " + std::to_string(most) +
                            " whatever the limit: tensors are listed many times over";
  throw Error(ErrorCode::limit_exceeded, {}, {}, tree_.offset(path_.empty() ? tree_.root() : path_.back()), message);
}

bool Walk::enter(NodeId node) {
  if (++visits_ > limits_.pickle_nodes) {
    throw Error(ErrorCode::limit_exceeded, {}, {}, tree_.offset(node),
                over_limit("a walk over the content visits too many values (containers that are listed many times over)",
                           "pickle_nodes", limits_.pickle_nodes));
  }
  if (on_path_[node] != 0) {
    // A container that holds itself with no object in between has no finite list of names.
    const auto start = std::find(path_.rbegin(), path_.rend(), node).base() - 1;
    const bool by_object = std::any_of(start, path_.end(), [this](NodeId on) { return tree_.kind(on) == Kind::object; });
    if (by_object) {
      ++back_references_;
      return false;
    }
    throw Error(ErrorCode::unsupported, {}, {}, tree_.offset(node), "a list or dict contains itself");
  }
  if (path_.size() >= limits_.depth) {
    throw Error(ErrorCode::limit_exceeded, {}, {}, tree_.offset(node),
                over_limit("containers are nested too deeply", "depth", limits_.depth));
  }
  on_path_[node] = 1;
  path_.push_back(node);
  return true;
}

void Walk::leave(NodeId node) {
  on_path_[node] = 0;
  path_.pop_back();
}

void Walk::visit(NodeId node, std::string_view prefix, bool at_root) {
  node = unwrap(tree_, node);
  const Kind kind = tree_.kind(node);
  if (kind == Kind::object || kind == Kind::persistent) {
    if (const auto tensor = tensor_row_(node)) return emit(prefix, *tensor);
  }
  if (kind != Kind::object && kind != Kind::dict && kind != Kind::list && kind != Kind::tuple && kind != Kind::set &&
      kind != Kind::frozen_set) {
    return;
  }
  if (barren_[node] != 0 || !enter(node)) return;
  const std::size_t entries_before = entries_->size();
  const std::uint64_t references_before = back_references_;
  if (is_mapping(tree_, node)) {
    visit_mapping(node, prefix, at_root);
  } else if (kind == Kind::object) {
    visit_object(node, prefix, at_root);
  } else {
    visit_items(tree_.items(node), prefix, at_root);
  }
  leave(node);
  // What a back reference hid could be found on another path, so such a node stays open.
  barren_[node] = entries_->size() == entries_before && back_references_ == references_before;
}

bool Walk::is_leaf(NodeId node) const {
  const Kind kind = tree_.kind(node);
  return kind < Kind::tuple || kind == Kind::global || (kind == Kind::persistent && !tensor_row_(node));
}

void Walk::visit_named(NodeId key, NodeId value, std::string_view prefix, bool at_root) {
  value = unwrap(tree_, value);
  if (is_leaf(value)) return;
  if (tree_.kind(key) == Kind::string) {
    const std::string_view text = tree_.text(key);
    visit(value, at_root ? text : joined(prefix, text, at_root), false);
  } else {
    visit(value, joined(prefix, key_text(tree_, key), at_root), false);
  }
}

void Walk::visit_mapping(NodeId mapping, std::string_view prefix, bool at_root) {
  for (const auto& [key, value] : mapping_items(tree_, mapping)) visit_named(key, value, prefix, at_root);
}

void Walk::visit_items(std::span<const NodeId> items, std::string_view prefix, bool at_root) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (is_leaf(unwrap(tree_, items[i]))) continue;
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, i).ptr;
    visit(items[i], joined(prefix, {digits, static_cast<std::size_t>(end - digits)}, at_root), false);
  }
}

void Walk::visit_object(NodeId object, std::string_view prefix, bool at_root) {
  if (script_classes_ != nullptr) {
    const auto type = script_classes_->find(class_name(tree_, object));
    if (type != script_classes_->end()) return visit_script_module(type->second, object, prefix, at_root);
  }
  if (const auto module = module_parts(tree_, object)) return visit_module(*module, prefix, at_root);
  const NodeId arguments = tree_.arguments(object);
  const Kind kind = tree_.kind(arguments);
  const bool from_type = rebuild_function(class_name(tree_, object)) == Rebuild::from_type;
  if (kind == Kind::tuple && !from_type) visit_items(tree_.items(arguments), prefix, at_root);
  if (kind == Kind::tuple && from_type && tree_.items(arguments).size() == 4) {
    const NodeId state = tree_.items(arguments)[3];
    if (is_mapping(tree_, state)) visit_mapping(state, prefix, at_root);
    if (tree_.kind(state) == Kind::tuple) {
      for (const NodeId part : tree_.items(state)) {
        if (is_mapping(tree_, part)) visit_mapping(part, prefix, at_root);
      }
    }
  }
  visit_items(tree_.appended(object), prefix, at_root);
  const auto assigned = tree_.assigned(object);
  for (std::size_t i = 0; i + 1 < assigned.size(); i += 2) visit_named(assigned[i], assigned[i + 1], prefix, at_root);
  const auto attributes = attribute_mappings(tree_, object);
  for (const NodeId mapping : attributes) visit_mapping(mapping, prefix, at_root);
  const auto state = tree_.state(object);
  if (attributes.empty() && state) visit(*state, prefix, at_root);
}

void Walk::visit_module(const ModuleParts& module, std::string_view prefix, bool at_root) {
  for (const auto& [key, value] : mapping_items(tree_, module.parameters)) visit_named(key, value, prefix, at_root);
  if (module.buffers && is_mapping(tree_, *module.buffers)) {
    std::unordered_set<std::string_view> left_out;
    if (module.non_persistent) {
      const Kind kind = tree_.kind(*module.non_persistent);
      if (kind == Kind::set || kind == Kind::frozen_set || kind == Kind::list || kind == Kind::tuple) {
        for (const NodeId name : tree_.items(*module.non_persistent)) {
          if (tree_.kind(name) == Kind::string) left_out.insert(tree_.text(name));
        }
      }
    }
    for (const auto& [key, value] : mapping_items(tree_, *module.buffers)) {
      if (tree_.kind(key) == Kind::string && left_out.contains(tree_.text(key))) continue;
      visit_named(key, value, prefix, at_root);
    }
  }
  for (const auto& [key, value] : mapping_items(tree_, module.modules)) visit_named(key, value, prefix, at_root);
}

void Walk::visit_script_module(const ScriptClass& type, NodeId object, std::string_view prefix, bool at_root) {
  std::vector<NodePair> attributes;
  for (const NodeId mapping : attribute_mappings(tree_, object)) {
    for (const NodePair& item : mapping_items(tree_, mapping)) attributes.push_back(item);
  }
  for (const bool parameters : {true, false}) {
    for (const std::string& name : parameters ? type.parameters : type.buffers) {
      const auto found = std::find_if(attributes.begin(), attributes.end(), [&](const NodePair& item) {
        return tree_.kind(item.first) == Kind::string && tree_.text(item.first) == name;
      });
      if (found == attributes.end()) continue;
      const std::size_t before = entries_->size();
      visit_named(found->first, found->second, prefix, at_root);
      if (member_ && entries_->size() == before + 1) member_(entries_->back().tensor, parameters);
    }
  }
  for (const auto& [key, value] : attributes) {
    const NodeId child = unwrap(tree_, value);
    if (tree_.kind(child) != Kind::object || !script_classes_->contains(class_name(tree_, child))) continue;
    visit_named(key, child, prefix, at_root);
  }
}

}  // namespace torchferry
