#pragma once

#include <torchferry/state_dict.h>

#include <cstdint>

namespace torchferry::jni {

/// Tells how deep the content of a checkpoint is that state dicts are loaded from.
void note_depth(std::uint32_t depth) noexcept;

/// Has a dict read its module versions, which it puts off until they are asked for, with the stack that
/// walking the content needs. Before calling what asks for them.
void read_versions(const StateDict& dict);

}  // namespace torchferry::jni
