#pragma once

#include <torchferry/limits.h>
#include <torchferry/value.h>

#include "pickle/tree.h"
#include "table/rebuild.h"

namespace torchferry {

/// The subtree at `node` as values. `tensor_row` answers which row of the table a node is; it may not add rows.
/// Throws Error(unsupported) for a list or dict that contains itself; an object that is met again inside itself
/// becomes an empty object of its class. Values that alias in the file alias here.
ValuePtr make_value(const pickle::Tree& tree, pickle::NodeId node,
                    const std::vector<std::uint32_t>& tensor_row_by_node, const Limits& limits);

/// A numpy array or scalar, when `object` is one that is plain numbers; else null.
ValuePtr numpy_value(const pickle::Tree& tree, pickle::NodeId object);

}  // namespace torchferry
