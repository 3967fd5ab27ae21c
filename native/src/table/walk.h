#pragma once

#include <torchferry/limits.h>
#include <torchferry/tensor_table.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "pickle/tree.h"
#include "table/content.h"

namespace torchferry {

/// Memory for joined keys. Views stay valid as long as the arena.
class NameArena {
 public:
  std::string_view add(std::string_view prefix, std::string_view name, bool dot);
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;
  std::size_t left_ = 0;
  std::uint64_t bytes_ = 0;
};

/// Lists the tensors below a node depth first, each under the path that leads to it: dict keys, list indices and
/// attribute names joined with '.'. An nn.Module gives its state_dict: own parameters, own persistent buffers, then
/// children. Throws Error(unsupported) for a list or dict that contains itself; an object met again inside itself (a
/// back reference) is not entered a second time. Bounded by Limits: tensors, name_bytes, depth, pickle_nodes (visits).
class Walk {
 public:
  /// Tells which row of the table a node is, if it is a tensor.
  using TensorRowOf = std::function<std::optional<std::uint32_t>(NodeId)>;

  Walk(const Tree& tree, TensorRowOf tensor_row, NameArena& names, const Limits& limits)
      : tree_(tree), tensor_row_(std::move(tensor_row)), names_(names), limits_(limits), on_path_(tree.size(), 0), barren_(tree.size(), 0) {}

  void from(NodeId node, std::vector<Entry>& entries);

 private:
  void visit(NodeId node, std::string_view prefix, bool at_root);
  void visit_mapping(NodeId mapping, std::string_view prefix, bool at_root);
  void visit_items(std::span<const NodeId> items, std::string_view prefix, bool at_root);
  void visit_object(NodeId object, std::string_view prefix, bool at_root);
  void visit_module(const ModuleParts& module, std::string_view prefix, bool at_root);
  void visit_named(NodeId key, NodeId value, std::string_view prefix, bool at_root);
  bool enter(NodeId node);
  void leave(NodeId node);
  void emit(std::string_view key, std::uint32_t tensor);

  const Tree& tree_;
  const TensorRowOf tensor_row_;
  NameArena& names_;
  const Limits& limits_;
  std::vector<Entry>* entries_ = nullptr;
  std::vector<std::uint8_t> on_path_;
  std::vector<std::uint8_t> barren_;  // by node: seen, and no tensor lies below
  std::vector<NodeId> path_;
  std::uint64_t visits_ = 0;
  std::uint64_t back_references_ = 0;
};

}  // namespace torchferry
