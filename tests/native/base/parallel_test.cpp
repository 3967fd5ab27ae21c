#include "base/parallel.h"

#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace torchferry::testing {
namespace {

TEST(Parallel, EveryNumberIsHandedOutOnce) {
  for (const std::size_t threads : {0, 1, 2, 7}) {
    std::vector<int> times(1000);
    work_in_parallel(times.size(), threads, [&](TaskNumbers& numbers) {
      while (const auto number = numbers.next()) ++times[*number];
    });
    EXPECT_EQ(times, std::vector<int>(1000, 1));
  }
}

TEST(Parallel, AsManyThreadsAsAskedForAndTasksAllow) {
  std::mutex mutex;
  std::set<std::thread::id> seen;
  const auto note = [&](TaskNumbers&) {
    const std::lock_guard lock(mutex);
    seen.insert(std::this_thread::get_id());
  };
  work_in_parallel(100, 4, note);
  EXPECT_EQ(seen.size(), 4U);
  EXPECT_TRUE(seen.contains(std::this_thread::get_id()));
  seen.clear();
  work_in_parallel(2, 4, note);
  EXPECT_EQ(seen.size(), 2U);
  seen.clear();
  work_in_parallel(0, 4, note);
  EXPECT_TRUE(seen.empty());
}

TEST(Parallel, TheFirstFailureStopsTheOthersAndIsThrown) {
  std::atomic<int> done{0};
  EXPECT_THROW(work_in_parallel(1'000'000, 3,
                                [&](TaskNumbers& numbers) {
                                  while (const auto number = numbers.next()) {
                                    if (*number == 10) throw std::domain_error("ten");
                                    ++done;
                                    std::this_thread::yield();
                                  }
                                }),
               std::domain_error);
  EXPECT_LT(done, 1'000'000 - 1);
}

}  // namespace
}  // namespace torchferry::testing
