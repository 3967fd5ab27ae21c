#include "base/parallel.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace torchferry {

void work_in_parallel(std::size_t count, std::size_t threads, const std::function<void(TaskNumbers&)>& worker) {
  if (count == 0) return;
  TaskNumbers tasks(count);
  std::mutex mutex;
  std::exception_ptr first;
  const auto run = [&]() noexcept {
    try {
      worker(tasks);
    } catch (...) {
      tasks.stop();
      const std::lock_guard lock(mutex);
      if (!first) first = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    try {
      others.reserve(threads);
      while (others.size() + 1 < std::min(threads, count)) others.emplace_back(run);
    } catch (const std::exception&) {
      // The system gives no more threads, or no memory for one; those that run and this one do the work.
    }
    run();
  }
  if (first) std::rethrow_exception(first);
}

std::size_t threads_or_default(unsigned threads) {
  // The standard library opens a file of the system for each answer.
  static const unsigned processors = std::clamp(std::thread::hardware_concurrency(), 1U, 8U);
  return threads != 0 ? threads : processors;
}

void for_each_parallel(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& work) {
  work_in_parallel(count, threads_or_default(threads), [&work](TaskNumbers& numbers) {
    while (const auto number = numbers.next()) work(*number);
  });
}

}  // namespace torchferry
