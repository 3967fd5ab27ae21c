#include "read_versions.h"

#include <torchferry/deep_stack.h>

#include <atomic>

namespace torchferry::jni {
namespace {

/// Of all checkpoints so far: a dict does not know the one it came from.
std::atomic<std::uint32_t> deepest{kOrdinaryDepth};

}  // namespace

void note_depth(std::uint32_t depth) noexcept {
  for (std::uint32_t known = deepest; known < depth && !deepest.compare_exchange_weak(known, depth);) {
  }
}

void read_versions(const StateDict& dict) {
  run_on_stack_for(deepest, [&] { dict.versions(); });
}

}  // namespace torchferry::jni
