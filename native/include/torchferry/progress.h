#pragma once

#include <atomic>
#include <cstdint>

namespace torchferry {

/// Bytes done so far, for a watcher on another thread, who may also ask the work to stop.
struct Progress {
  std::atomic<std::uint64_t> done{0};
  std::atomic<std::uint64_t> total{0};
  std::atomic<bool> cancel{false};
};

}  // namespace torchferry
