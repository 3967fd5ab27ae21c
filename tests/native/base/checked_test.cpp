#include "base/checked.h"

#include <gtest/gtest.h>

#include <limits>

namespace torchferry::testing {
namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

TEST(Checked, AddsUpToTheLastNumber) {
  EXPECT_EQ(checked_add(2, 3), 5u);
  EXPECT_EQ(checked_add(kMost, 0), kMost);
  EXPECT_EQ(checked_add(kMost - 1, 1), kMost);
  EXPECT_EQ(checked_add(kMost, 1), std::nullopt);
  EXPECT_EQ(checked_add(kMost, kMost), std::nullopt);
}

TEST(Checked, MultipliesUpToTheLastNumber) {
  EXPECT_EQ(checked_mul(6, 7), 42u);
  EXPECT_EQ(checked_mul(kMost, 0), 0u);
  EXPECT_EQ(checked_mul(kMost, 1), kMost);
  EXPECT_EQ(checked_mul(kMost / 3, 3), kMost);
  EXPECT_EQ(checked_mul(kMost / 2 + 1, 2), std::nullopt);
  EXPECT_EQ(checked_mul(std::uint64_t{1} << 32, std::uint64_t{1} << 32), std::nullopt);
}

TEST(Checked, RangesDoNotWrapAround) {
  EXPECT_TRUE(range_within(0, 0, 0));
  EXPECT_TRUE(range_within(10, 0, 10));
  EXPECT_TRUE(range_within(3, 7, 10));
  EXPECT_FALSE(range_within(3, 8, 10));
  EXPECT_FALSE(range_within(11, 0, 10));
  EXPECT_FALSE(range_within(8, kMost - 4, 10));
  EXPECT_FALSE(range_within(kMost, 1, kMost));
  EXPECT_TRUE(range_within(0, kMost, kMost));
}

}  // namespace
}  // namespace torchferry::testing
