#pragma once

#include <torchferry/value.h>

#include <string>

namespace torchferry::jni {

/// A value and everything below it as a table of nodes for io.torchferry.ValueReader: each value once, after
/// all that it refers to, the root last. Not recursive, so that deep content needs no deep stack.
std::string packed_values(const ValuePtr& root);

}  // namespace torchferry::jni
