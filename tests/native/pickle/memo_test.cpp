#include "pickle/memo.h"

#include <gtest/gtest.h>

#include <map>

namespace torchferry::pickle::testing {
namespace {

TEST(Memo, IsEmptyAtFirst) {
  const MemoTable memo;
  EXPECT_EQ(memo.count(), 0u);
  EXPECT_EQ(memo.get(0), MemoTable::kAbsent);
  EXPECT_EQ(memo.get(0xFFFFFFFFu), MemoTable::kAbsent);
}

TEST(Memo, KeepsNearAndFarIndices) {
  MemoTable memo;
  memo.put(0xFFFFFFFFu, 1);
  memo.put(0, 2);
  memo.put(5, 3);
  memo.put(1'000'000, 4);
  EXPECT_EQ(memo.count(), 4u);
  EXPECT_EQ(memo.get(0xFFFFFFFFu), 1u);
  EXPECT_EQ(memo.get(0), 2u);
  EXPECT_EQ(memo.get(5), 3u);
  EXPECT_EQ(memo.get(1'000'000), 4u);
  EXPECT_EQ(memo.get(4), MemoTable::kAbsent);
}

// What lay far ahead comes near as the memo fills up, and moves.
TEST(Memo, CountsAnEntryOnceHoweverItIsKept) {
  MemoTable memo;
  memo.put(2000, 7);
  for (std::uint32_t i = 0; i < 4000; ++i) memo.put(i, i);
  EXPECT_EQ(memo.count(), 4000u);
  EXPECT_EQ(memo.get(2000), 2000u);
  memo.put(2000, 9);
  EXPECT_EQ(memo.get(2000), 9u);
  EXPECT_EQ(memo.count(), 4000u);
}

TEST(Memo, BehavesAsAMapForAnyIndices) {
  MemoTable memo;
  std::map<std::uint32_t, NodeId> map;
  std::uint64_t random = 3;
  for (NodeId value = 0; value < 20'000; ++value) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const auto index = static_cast<std::uint32_t>((random >> 33) % 30'000);
    memo.put(index, value);
    map[index] = value;
  }
  EXPECT_EQ(memo.count(), map.size());
  for (std::uint32_t index = 0; index < 30'000; ++index) {
    const auto entry = map.find(index);
    ASSERT_EQ(memo.get(index), entry == map.end() ? MemoTable::kAbsent : entry->second) << index;
  }
}

}  // namespace
}  // namespace torchferry::pickle::testing
