#pragma once

#include <torchferry/limits.h>

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "pickle/tree.h"

namespace torchferry::pickle {

struct Parsed {
  Tree tree;
  std::size_t consumed;  ///< bytes up to and including STOP; a legacy file continues there
};

/// Runs one pickle (protocols 2 to 5) into an inert tree. No name is looked up and nothing is called,
/// whatever the bytes say. `bytes` may hold more than the pickle; it must outlive the tree, which points into
/// it. Throws Error, with the byte offset of the opcode: corrupt (truncated, stack or memo misuse, bad UTF-8,
/// wrong operand types), unsupported (opcodes that only arbitrary-code pickles need, protocol above 5),
/// limit_exceeded.
Parsed parse(std::span<const std::byte> bytes, const Limits& limits);

}  // namespace torchferry::pickle
