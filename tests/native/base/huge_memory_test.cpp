#include "base/huge_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <torchferry/host_memory.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>
#include <thread>
#include <vector>

namespace torchferry {
namespace {

/// What earlier tests have left is gone, and the bound is put back.
class HugeMemory : public ::testing::Test {
 protected:
  void SetUp() override { release_host_memory(); }
  void TearDown() override {
    set_host_memory_limit(limit_);
    release_host_memory();
  }

  /// msync tells whether pages are mapped, without touching them.
  static bool is_mapped(std::byte* start) { return ::msync(start, 4096, MS_ASYNC) == 0; }

 private:
  const std::uint64_t limit_ = host_memory_status().limit;
};

TEST_F(HugeMemory, IsAlignedAndAllThere) {
  for (const std::uint64_t nbytes : {std::uint64_t{1}, std::uint64_t{4096}, (std::uint64_t{2} << 20) + 1}) {
    const auto bytes = huge_memory(nbytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.get()) % (2 << 20), 0U);
    std::fill_n(bytes.get(), nbytes, std::byte{1});
    EXPECT_TRUE(std::all_of(bytes.get(), bytes.get() + nbytes, [](std::byte byte) { return byte == std::byte{1}; }));
  }
}

TEST_F(HugeMemory, GoesWithTheLastPointerWhereNothingIsKept) {
  set_host_memory_limit(0);
  std::shared_ptr<std::byte> bytes = huge_memory(std::uint64_t{4} << 20);
  std::byte* const start = bytes.get();
  start[0] = std::byte{7};
  std::shared_ptr<std::byte> other = std::move(bytes);
  EXPECT_EQ(start[0], std::byte{7});
  EXPECT_TRUE(is_mapped(start));
  other.reset();
  EXPECT_FALSE(is_mapped(start));
  EXPECT_EQ(host_memory_status().kept, 0U);
}

TEST_F(HugeMemory, BlocksServeAgainWhereTheyFit) {
  set_host_memory_limit(64 << 20);
  std::byte* const start = huge_memory(8 << 20).get();
  EXPECT_EQ(host_memory_status().kept, 8U << 20);
  EXPECT_NE(huge_memory(16 << 20).get(), start) << "larger than what was kept";
  EXPECT_EQ(host_memory_status().kept, 24U << 20);
  const auto small = huge_memory(1 << 20);
  EXPECT_NE(small.get(), start) << "much smaller than what was kept";
  const auto again = huge_memory((8 << 20) - 5);
  EXPECT_EQ(again.get(), start);
  EXPECT_EQ(host_memory_status().kept, 16U << 20);
  again.get()[(8 << 20) - 6] = std::byte{1};
  EXPECT_NE(huge_memory(8 << 20).get(), start) << "in use";
}

TEST_F(HugeMemory, NeverKeepsMoreThanItsBound) {
  set_host_memory_limit(8 << 20);
  std::byte* const oldest = huge_memory(4 << 20).get();
  {
    const auto first = huge_memory(4 << 20);
    EXPECT_EQ(first.get(), oldest);
    const auto second = huge_memory(4 << 20);
    const auto third = huge_memory(4 << 20);
    const auto too_large = huge_memory(16 << 20);
  }
  EXPECT_EQ(host_memory_status().kept, 8U << 20);
  set_host_memory_limit(5 << 20);
  EXPECT_EQ(host_memory_status().kept, 4U << 20);
  EXPECT_EQ(host_memory_status().limit, 5U << 20);
  release_host_memory();
  EXPECT_EQ(host_memory_status().kept, 0U);
}

TEST_F(HugeMemory, ManyThreadsTakeAndGiveBack) {
  set_host_memory_limit(12 << 20);
  std::vector<std::jthread> threads;
  for (unsigned number = 1; number <= 4; ++number) {
    threads.emplace_back([number] {
      for (int round = 0; round < 50; ++round) {
        const auto bytes = huge_memory(std::uint64_t{number} << 20);
        const auto mark = static_cast<std::byte>(number);
        std::fill_n(bytes.get(), 5000, mark);
        EXPECT_TRUE(std::all_of(bytes.get(), bytes.get() + 5000, [mark](std::byte byte) { return byte == mark; }));
      }
    });
  }
  threads.clear();
  EXPECT_LE(host_memory_status().kept, 12U << 20);
}

TEST_F(HugeMemory, RefusesWhatNoMachineHas) {
  EXPECT_THROW(huge_memory(std::numeric_limits<std::uint64_t>::max()), std::bad_alloc);
  EXPECT_THROW(huge_memory(std::uint64_t{1} << 62), std::bad_alloc);
}

}  // namespace
}  // namespace torchferry
