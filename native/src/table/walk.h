#pragma once

#include <torchferry/limits.h>
#include <torchferry/tensor_table.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "pickle/tree.h"
#include "table/content.h"
#include "table/script_classes.h"

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
/// back reference) is not entered a second time. Bounded by Limits: tensors, name_bytes, depth, pickle_nodes (visits);
/// and, so that a small pickle cannot fill the memory by listing a container many times over, tensors and the bytes of
/// their names by the size of the pickle.
class Walk {
 public:
  /// Tells which row of the table a node is, if it is a tensor.
  using TensorRowOf = std::function<std::optional<std::uint32_t>(NodeId)>;

  /// `pickle_bytes`: the size of the pickle that `tree` was read from.
  Walk(const Tree& tree, std::uint64_t pickle_bytes, TensorRowOf tensor_row, NameArena& names, const Limits& limits)
      : tree_(tree),
        tensor_row_(std::move(tensor_row)),
        names_(names),
        limits_(limits),
        most_tensors_(std::min(limits.tensors, kSomeTensors + 4 * pickle_bytes)),
        most_name_bytes_(std::min(limits.name_bytes, kSomeNameBytes + 16 * pickle_bytes)),
        on_path_(tree.size(), 0),
        barren_(tree.size(), 0) {}

  /// Told of a tensor that a TorchScript module has as a parameter (true) or a buffer (false).
  using Member = std::function<void(std::uint32_t row, bool parameter)>;
  /// Makes TorchScript modules of these classes give their state_dict, as torch.jit.load would, and nothing else.
  void use_script_classes(const ScriptClasses& classes, Member member) {
    script_classes_ = &classes;
    member_ = std::move(member);
  }

  void from(NodeId node, std::vector<Entry>& entries);

 private:
  void visit(NodeId node, std::string_view prefix, bool at_root);
  void visit_mapping(NodeId mapping, std::string_view prefix, bool at_root);
  void visit_items(std::span<const NodeId> items, std::string_view prefix, bool at_root);
  void visit_object(NodeId object, std::string_view prefix, bool at_root);
  void visit_module(const ModuleParts& module, std::string_view prefix, bool at_root);
  void visit_script_module(const ScriptClass& type, NodeId object, std::string_view prefix, bool at_root);
  void visit_named(NodeId key, NodeId value, std::string_view prefix, bool at_root);
  /// Whether no tensor can be at or below the node, so that its name need not be made.
  bool is_leaf(NodeId node) const;
  bool enter(NodeId node);
  void leave(NodeId node);
  void emit(std::string_view key, std::uint32_t tensor);
  std::string_view joined(std::string_view prefix, std::string_view name, bool at_root);
  [[noreturn]] void too_much(const char* limit, std::uint64_t most, std::uint64_t allowed) const;

  const Tree& tree_;
  const TensorRowOf tensor_row_;
  NameArena& names_;
  const Limits& limits_;
  // What the smallest pickle may list: whoever lists so few does no harm.
  static constexpr std::uint64_t kSomeTensors = 100'000;
  static constexpr std::uint64_t kSomeNameBytes = std::uint64_t{8} << 20;
  const std::uint64_t most_tensors_;
  const std::uint64_t most_name_bytes_;
  std::uint64_t name_bytes_ = 0;
  std::vector<Entry>* entries_ = nullptr;
  const ScriptClasses* script_classes_ = nullptr;
  Member member_;
  std::vector<std::uint8_t> on_path_;
  std::vector<std::uint8_t> barren_;  // by node: seen, and no tensor lies below
  std::vector<NodeId> path_;
  std::uint64_t visits_ = 0;
  std::uint64_t back_references_ = 0;
};

}  // namespace torchferry
