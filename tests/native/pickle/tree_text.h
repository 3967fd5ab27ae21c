#pragma once

#include <string>

#include "pickle/tree.h"

namespace torchferry::pickle::testing {

/// A value as one line that reads like Python: an object made by REDUCE is a call, one by NEWOBJ is "new" and
/// a call; what BUILD, APPEND(S) and SETITEM(S) gave it follows as ".state(…)", ".append(…)", ".assign(…)".
/// Bytes and texts stand with every byte outside ASCII escaped. A value inside itself is "...".
std::string text_of(const Tree& tree, NodeId id);

/// The root's.
std::string text_of(const Tree& tree);

/// Parses and describes.
std::string text_of(const std::string& pickle);

}  // namespace torchferry::pickle::testing
