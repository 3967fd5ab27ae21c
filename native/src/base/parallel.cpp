#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace torchferry {
namespace {

constexpr unsigned kMostThreads = 8;

class Crew {
 public:
  Crew(std::size_t count, const std::function<void(std::size_t)>& work) : count_(count), work_(work) {}

  void run(std::size_t threads) {
    std::vector<std::thread> others;
    try {
      for (std::size_t i = 1; i < threads; ++i) others.emplace_back([this] { take(); });
    } catch (const std::system_error&) {
      // The threads that there are do the work.
    } catch (...) {
      note_failure();
    }
    take();
    for (std::thread& thread : others) thread.join();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void take() noexcept {
    try {
      for (std::size_t i = next_++; i < count_ && !failed_; i = next_++) work_(i);
    } catch (...) {
      note_failure();
    }
  }

  void note_failure() noexcept {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::current_exception();
    failed_ = true;
  }

  const std::size_t count_;
  const std::function<void(std::size_t)>& work_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

void for_each_parallel(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& work) {
  const unsigned processors = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t wanted = threads != 0 ? threads : std::min(processors, kMostThreads);
  Crew(count, work).run(std::min(wanted, count));
}

}  // namespace torchferry
