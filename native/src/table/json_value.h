#pragma once

#include <torchferry/limits.h>
#include <torchferry/value.h>

#include "container/json_reader.h"

namespace torchferry {

/// Reads whatever value comes next, as Python's json.load would make it: numbers without fraction and exponent are
/// integers. Throws Error(corrupt), and Error(limit_exceeded: pickle_nodes) for more values than that limit or a
/// million.
ValuePtr read_json_value(JsonReader& json, const Limits& limits);

}  // namespace torchferry
