#pragma once

#include <optional>

#include "pickle/tree_builder.h"

namespace torchferry::pickle {

/// The plain value that calling `callable` with the tuple `arguments` stands for, where that is how pickles
/// write bytes, bytearray, set and frozenset; empty where it is any other call, or has arguments that pickles
/// do not write.
std::optional<NodeId> plain_value(TreeBuilder& tree, NodeId callable, NodeId arguments);

}  // namespace torchferry::pickle
