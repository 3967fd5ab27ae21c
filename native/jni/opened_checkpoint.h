#pragma once

#include <torchferry/checkpoint.h>
#include <torchferry/deep_stack.h>
#include <torchferry/error.h>

#include <algorithm>
#include <string>
#include <utility>

namespace torchferry::jni {

/// What Java's pointer of a Checkpoint points to, in both libraries.
struct OpenedCheckpoint {
  Checkpoint checkpoint;
  /// Containers inside containers that its content may have.
  std::uint32_t depth;
};

/// Opens with `open(options)`, on the stack there is unless the content turns out to be deeper than ordinary.
template <class Open>
OpenedCheckpoint open_checkpoint(OpenOptions options, const Open& open) {
  const std::uint32_t limit = std::min(options.limits.depth, kMostDepth);
  for (std::uint32_t depth = std::min(limit, kOrdinaryDepth);; depth = limit) {
    options.limits.depth = depth;
    try {
      return {on_stack_for(depth, [&] { return open(options); }), depth};
    } catch (const Error& error) {
      const bool too_deep = error.code() == ErrorCode::limit_exceeded &&
                            error.message().find("limit depth") != std::string::npos;
      if (!too_deep || depth == limit) throw;
    }
  }
}

/// Something that walks the content, with the stack that it needs.
template <class Work>
decltype(auto) walk(const OpenedCheckpoint& opened, Work&& work) {
  return on_stack_for(opened.depth, std::forward<Work>(work));
}

}  // namespace torchferry::jni
