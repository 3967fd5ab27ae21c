#include <gtest/gtest.h>

#include "pickle/refused.h"
#include "pickle/tree_text.h"
#include "pickle/wire.h"

namespace torchferry::pickle::testing {
namespace {

constexpr ErrorCode kLimit = ErrorCode::limit_exceeded;

std::string repeated(const std::string& part, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += part;
  return text;
}

TEST(PickleLimits, Bytes) {
  Limits limits;
  limits.pickle_bytes = 5;
  EXPECT_EQ(parse_text(wire("80 02 4b 01 2e"), limits).consumed, 5u);
  expect_refused(wire("80 02 4b 01 30 4e 2e"), kLimit, 5, "pickle_bytes = 5", limits);
  expect_refused(wire("4e 4e 58 02000000 'ab' 2e"), kLimit, 2, "pickle_bytes = 5", limits);
  expect_refused(wire("4e 4e 58 ff000000 'ab' 2e"), kLimit, 2, "pickle_bytes = 5", limits);
}

TEST(PickleLimits, BytesAfterThePickleDoNotCount) {
  Limits limits;
  limits.pickle_bytes = 5;
  EXPECT_EQ(parse_text(wire("80 02 4b 01 2e") + std::string(1000, 'x'), limits).consumed, 5u);
}

TEST(PickleLimits, AFileThatEndsTooSoonIsCorruptWhateverTheLimit) {
  Limits limits;
  limits.pickle_bytes = 5;
  expect_refused(wire("80 02 42 ffffff7f 00"), kLimit, 2, "pickle_bytes = 5", limits);
  limits.pickle_bytes = 12;
  expect_refused(wire("80 02 42 ffffff7f 00 00 00 00 00 00 00 00"), ErrorCode::corrupt, 2, "truncated",
                 limits);
}

TEST(PickleLimits, Nodes) {
  Limits limits;
  limits.pickle_nodes = 3;
  EXPECT_EQ(parse_text(wire("5d 4b01 61 4b02 61 2e"), limits).tree.size(), 3u);
  expect_refused(wire("5d 4b01 61 4b02 61 4b03 61 2e"), kLimit, 7, "pickle_nodes = 3", limits);
  limits.pickle_nodes = 0;
  expect_refused(wire("4e 2e"), kLimit, 0, "pickle_nodes = 0", limits);
}

TEST(PickleLimits, SharedValuesCountOnce) {
  Limits limits;
  limits.pickle_nodes = 2;
  EXPECT_EQ(parse_text("(" + repeated("N", 1000) + "t.", limits).tree.size(), 2u);
}

TEST(PickleLimits, MemoEntries) {
  Limits limits;
  limits.memo_entries = 2;
  EXPECT_NO_THROW(parse_text(wire("4e 71 00 71 01 71 00 2e"), limits));
  expect_refused(wire("4e 71 00 71 01 71 02 2e"), kLimit, 5, "memo_entries = 2", limits);
  expect_refused(wire("4e 94 94 94 2e"), kLimit, 3, "memo_entries = 2", limits);
  expect_refused(wire("4e 72 ffffffff 72 feffffff 72 fdffffff 2e"), kLimit, 11, "memo_entries = 2", limits);
}

TEST(PickleLimits, IntegerBytes) {
  Limits limits;
  limits.integer_bytes = 8;
  EXPECT_NO_THROW(parse_text(wire("8a 08 0102030405060708 2e"), limits));
  expect_refused(wire("8a 09 010203040506070809 2e"), kLimit, 0, "integer_bytes = 8", limits);
  expect_refused(wire("4e 8b 09000000 010203040506070809 2e"), kLimit, 1, "integer_bytes = 8", limits);
}

TEST(PickleLimits, NameBytes) {
  Limits limits;
  limits.name_bytes = 4;
  EXPECT_NO_THROW(parse_text(wire("63 'ab' 0a 'cd' 0a 2e"), limits));
  expect_refused(wire("63 'ab' 0a 'cde' 0a 2e"), kLimit, 0, "name_bytes = 4", limits);
  expect_refused(wire("63 'ab' 0a 'c' 0a 63 'x' 0a 'y' 0a 2e"), kLimit, 6, "name_bytes = 4", limits);
}

TEST(PickleLimits, DepthOfOpenMarks) {
  Limits limits;
  limits.depth = 3;
  EXPECT_EQ(text_of(parse_text("(((Nttt.", limits).tree), "(((None,),),)");
  expect_refused("((((Ntttt.", kLimit, 3, "depth = 3", limits);
}

TEST(PickleLimits, DepthOfFinishedContainers) {
  Limits limits;
  limits.depth = 3;
  EXPECT_NO_THROW(parse_text(wire("4e 85 85 85 2e"), limits));
  expect_refused(wire("4e 85 85 85 85 2e"), kLimit, 4, "depth = 3", limits);
  EXPECT_NO_THROW(parse_text(wire("5d 5d 5d 61 61 2e"), limits));
  expect_refused(wire("5d 5d 5d 5d 61 61 61 2e"), kLimit, 6, "depth = 3", limits);
  expect_refused(wire("7d 4e 7d 4e 7d 4e 7d 73 73 73 2e"), kLimit, 9, "depth = 3", limits);
  expect_refused(wire("63 'm' 0a 'C' 0a 29 52 4e 85 85 85 62 2e"), kLimit, 11, "depth = 3", limits);
  expect_refused(wire("4e 85 85 85 51 2e"), kLimit, 4, "depth = 3", limits);
}

TEST(PickleLimits, AHundredThousandDeepIsRefusedBeforeAnythingWalksIt) {
  const std::size_t deep = 100'000;
  expect_refused(repeated("(", deep) + repeated("t", deep) + ".", kLimit, 1000, "depth = 1000");
  expect_refused(repeated("]", deep) + repeated("a", deep) + ".", kLimit, deep + 999, "depth = 1000");
  expect_refused("N" + repeated("\x85", deep) + ".", kLimit, 1001, "depth = 1000");
  expect_refused("N" + repeated("Q", deep) + ".", kLimit, 1001, "depth = 1000");
  expect_refused(wire("63 'm' 0a 'C' 0a") + repeated(")R", deep) + ".", kLimit, 5 + 2 * 1000 + 1,
                 "depth = 1000");
}

TEST(PickleLimits, AHighDepthIsNoLimit) {
  Limits limits;
  limits.depth = 200'000;
  const std::string bytes = "N" + repeated("\x85", 100'000) + ".";
  EXPECT_EQ(parse_text(bytes, limits).tree.size(), 100'001u);
}

// References that are copied, not stacked, cost the pickle nothing: they are counted instead.
TEST(PickleLimits, CopiesOfStateAreCounted) {
  Limits limits;
  limits.pickle_nodes = 2000;
  std::string bytes = wire("7d 28") + repeated("NN", 100) + wire("75 71 00 30 63 'm' 0a 'C' 0a 29 52");
  const std::size_t start = bytes.size();
  bytes += repeated(wire("68 00 62"), 1000) + ".";
  // The second BUILD copies both dicts, 400 references, and each after it 200 more.
  expect_refused(bytes, kLimit, start + 3 * 10 + 2, "pickle_nodes = 2000", limits);
}

TEST(PickleLimits, CopiesOfSetsAreCounted) {
  Limits limits;
  limits.pickle_nodes = 2000;
  std::string bytes = wire("5d 28") + repeated("N", 500) + wire("65 85 71 00 30");
  bytes += wire("63 'builtins' 0a 'set' 0a 71 01 30");
  const std::size_t start = bytes.size();
  bytes += repeated(wire("68 01 68 00 52 28 4e 90 30"), 100) + "N.";
  // Each round makes a set of the same list and adds to it.
  expect_refused(bytes, kLimit, start + 4 * 9 + 7, "pickle_nodes = 2000", limits);
}

}  // namespace
}  // namespace torchferry::pickle::testing
