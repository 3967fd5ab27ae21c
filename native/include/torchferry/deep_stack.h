#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace torchferry {

// Content is walked by recursion, one level of stack for each container inside a container, and a file may use all of
// Limits::depth. Threads may have small stacks (1 MiB in Java, 128 KiB with musl), and overflowing one ends the
// process. So what walks content runs where there is room for it: on the stack there is as a rule, else on a thread
// made for the one call. Checkpoint does so itself; a program that recurses over the Values of an untrusted file does
// well to do the same.

/// Containers inside containers that ordinary files stay below; their walks fit on ordinary stacks.
inline constexpr std::uint32_t kOrdinaryDepth = 128;

/// The deepest content that a stack is made for, however far the limit is raised.
inline constexpr std::uint32_t kMostDepth = 1'000'000;

/// Runs `work` with the stack that content of this depth needs: 2 KiB for each level and 256 KiB. What it throws
/// passes on. Throws std::bad_alloc when there is no memory for a thread. `work` must not depend on the thread that it
/// runs on (no JNI).
void run_on_stack_for(std::uint32_t depth, const std::function<void()>& work);

/// `run_on_stack_for` with a result.
template <class Work>
auto on_stack_for(std::uint32_t depth, Work&& work) -> std::invoke_result_t<Work> {
  using Result = std::invoke_result_t<Work>;
  if constexpr (std::is_void_v<Result>) {
    run_on_stack_for(depth, work);
  } else {
    std::optional<Result> result;
    run_on_stack_for(depth, [&] { result.emplace(work()); });
    return std::move(*result);
  }
}

}  // namespace torchferry
