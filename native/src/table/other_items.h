#pragma once

#include <torchferry/checkpoint.h>

#include <vector>

#include "table/content.h"
#include "table/content_index.h"

namespace torchferry {

/// Items with a string for a key of the mapping at `node` that hold no tensor, in order; none when it is no
/// mapping.
std::vector<OtherItem> other_items(const Checkpoint::State& state, NodeId node);

}  // namespace torchferry
