#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <optional>

namespace torchferry {

/// Hands out the numbers 0 … count-1, each once, to whoever asks, until they are gone or the work has been stopped.
class TaskNumbers {
 public:
  explicit TaskNumbers(std::size_t count) : count_(count) {}
  std::optional<std::size_t> next() {
    if (stopped_.load(std::memory_order_relaxed)) return std::nullopt;
    const std::size_t number = next_.fetch_add(1, std::memory_order_relaxed);
    return number < count_ ? std::optional(number) : std::nullopt;
  }
  void stop() { stopped_.store(true, std::memory_order_relaxed); }

 private:
  const std::size_t count_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> stopped_{false};
};

/// Runs `worker` on `threads` threads, of which the caller's is one, over the numbers of `count` tasks. Fewer threads
/// where the system gives no more. Returns when all have ended; the first exception that a worker throws stops the
/// others at their next number and is thrown here.
void work_in_parallel(std::size_t count, std::size_t threads, const std::function<void(TaskNumbers&)>& worker);

/// Threads to use where the caller says how many, or 0 for as many as there are processors, at most 8.
std::size_t threads_or_default(unsigned threads);

/// Calls `work(i)` for each i below `count` on `threads_or_default(threads)` threads, as `work_in_parallel` does.
void for_each_parallel(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& work);

}  // namespace torchferry
