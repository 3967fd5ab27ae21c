#pragma once

#include <torchferry/checkpoint.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "table/content.h"
#include "table/content_index.h"
#include "table/walk.h"

namespace torchferry {

/// Places of a checkpoint's content: what a path leads to, and where state dicts are. All of it needs a pickle tree.

/// The node that a path leads to. Throws Error(invalid_argument) that tells what is there instead, and under which
/// paths tensors are, when a step leads nowhere.
NodeId node_at(const Checkpoint::State& state, std::span<const std::string> path);

/// The tensors below a node, named relative to it, as `Checkpoint::entries` gives them.
void list_tensors(const Checkpoint::State& state, NodeId node, NameArena& names, std::vector<Entry>& entries);

/// The outermost places that look like a state dict, in the order of the content.
std::vector<StateDictPlace> find_state_dicts(const Checkpoint::State& state);

}  // namespace torchferry
