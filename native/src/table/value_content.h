#pragma once

#include <torchferry/checkpoint.h>
#include <torchferry/limits.h>
#include <torchferry/tensor_table.h>
#include <torchferry/value.h>

#include <span>
#include <string>
#include <vector>

#include "table/walk.h"

namespace torchferry {

/// Content of formats without a pickle of the whole: values that the format's reader made.

std::shared_ptr<Value> value_of_kind(Value::Kind kind);
ValuePtr string_value(std::string text);
ValuePtr tensor_value(std::uint32_t row);

/// A dict of the tensors under their names.
ValuePtr dict_of(const std::vector<Entry>& entries);

/// The value at a path below `root`. Throws Error(invalid_argument) that tells what is there.
ValuePtr value_at(const ValuePtr& root, std::span<const std::string> path);

/// The outermost places that look like a state dict: `find_state_dicts` for such content.
std::vector<StateDictPlace> find_state_dicts(const Value& root, const Limits& limits);

/// Lists the tensors below a value depth first, as Walk does for pickles. Throws Error(limit_exceeded: tensors,
/// name_bytes, depth).
void list_tensors(const Value& root, NameArena& names, const Limits& limits, std::vector<Entry>& entries);

}  // namespace torchferry
