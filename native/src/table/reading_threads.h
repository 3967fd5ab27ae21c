#pragma once

#include <torchferry/limits.h>

namespace torchferry {

/// Threads that read the files of a checkpoint, for `for_each_parallel`. Content is walked by recursion; where the limits
/// allow it to be deeper than the stack of an ordinary thread bears, the caller's thread alone, which sees to its own.
inline unsigned reading_threads(const Limits& limits) {
#if defined(__SANITIZE_ADDRESS__)
  constexpr std::uint32_t most = 128;
#else
  constexpr std::uint32_t most = 1'000;
#endif
  return limits.depth <= most ? 0 : 1;
}

}  // namespace torchferry
