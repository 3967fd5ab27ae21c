#include "pickle/growing_array.h"

#include <gtest/gtest.h>

#include <utility>

namespace torchferry::pickle::testing {
namespace {

TEST(GrowingArray, KeepsItsElementsAsItGrows) {
  GrowingArray<int> array;
  EXPECT_TRUE(array.empty());
  for (int i = 0; i < 10'000; ++i) array.push_back(i);
  ASSERT_EQ(array.size(), 10'000u);
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(array[static_cast<std::size_t>(i)], i);
}

TEST(GrowingArray, ExtendsShrinksAndReserves) {
  GrowingArray<int> array;
  array.reserve(4);
  EXPECT_FALSE(array.full());
  EXPECT_TRUE(array.empty());
  int* first = array.extend(3);
  EXPECT_EQ(first, array.data());
  first[0] = 1;
  array.push_back(9);
  EXPECT_TRUE(array.full());
  const int* more = array.extend(100);
  EXPECT_EQ(more, array.data() + 4);
  EXPECT_EQ(array.size(), 104u);
  array.shrink_to(1);
  EXPECT_EQ(array.size(), 1u);
  EXPECT_EQ(array[0], 1);
}

TEST(GrowingArray, IsEmptyAfterItWasMoved) {
  GrowingArray<int> array;
  array.push_back(5);
  GrowingArray<int> moved(std::move(array));
  EXPECT_EQ(moved.size(), 1u);
  EXPECT_EQ(array.size(), 0u);  // a moved array is empty
  array.push_back(6);
  array = std::move(moved);
  ASSERT_EQ(array.size(), 1u);
  EXPECT_EQ(array[0], 5);
}

TEST(GrowingArray, AnAbsurdSizeIsOutOfMemory) {
  GrowingArray<int> array;
  EXPECT_THROW(array.reserve(static_cast<std::size_t>(-1) / 2), std::bad_alloc);
  array.push_back(1);
  EXPECT_EQ(array[0], 1);
}

}  // namespace
}  // namespace torchferry::pickle::testing
