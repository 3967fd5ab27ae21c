#include <gtest/gtest.h>

#include "pickle/refused.h"
#include "pickle/tree_text.h"
#include "pickle/wire.h"

namespace torchferry::pickle::testing {
namespace {

std::string read(const char* written) { return text_of(wire(written)); }

const char* const kCannotFill = "on a value that it cannot fill";

TEST(ContainerOpcodes, Tuples) {
  EXPECT_EQ(read("29 2e"), "()");
  EXPECT_EQ(read("4b01 85 2e"), "(1,)");
  EXPECT_EQ(read("4b01 4b02 86 2e"), "(1, 2)");
  EXPECT_EQ(read("4b01 4b02 4b03 87 2e"), "(1, 2, 3)");
  EXPECT_EQ(read("28 74 2e"), "()");
  EXPECT_EQ(read("28 4b01 4b02 4b03 4b04 74 2e"), "(1, 2, 3, 4)");
}

TEST(ContainerOpcodes, Lists) {
  EXPECT_EQ(read("5d 2e"), "[]");
  EXPECT_EQ(read("5d 4b01 61 4b02 61 2e"), "[1, 2]");
  EXPECT_EQ(read("5d 28 4b01 4b02 65 28 4b03 65 28 65 2e"), "[1, 2, 3]");
  EXPECT_EQ(read("28 4b01 4b02 6c 4b03 61 2e"), "[1, 2, 3]");
}

TEST(ContainerOpcodes, Dicts) {
  EXPECT_EQ(read("7d 2e"), "{}");
  EXPECT_EQ(read("7d 4b01 4e 73 2e"), "{1: None}");
  EXPECT_EQ(read("7d 28 4b01 4e 4b02 88 75 28 75 2e"), "{1: None, 2: True}");
  EXPECT_EQ(read("28 4b01 4e 64 4b02 88 73 2e"), "{1: None, 2: True}");
}

TEST(ContainerOpcodes, AKeySetTwiceStandsTwice) {
  EXPECT_EQ(read("7d 4b01 4e 73 4b01 88 73 2e"), "{1: None, 1: True}");
}

TEST(ContainerOpcodes, Sets) {
  EXPECT_EQ(read("8f 2e"), "set()");
  EXPECT_EQ(read("8f 28 4b01 4b02 90 28 4b03 90 2e"), "set(1, 2, 3)");
  EXPECT_EQ(read("28 4b01 4b02 91 2e"), "frozenset(1, 2)");
}

// Two lists that grow in turn push each other about in the tree's memory.
TEST(ContainerOpcodes, ContainersThatGrowInTurnKeepTheirItems) {
  std::string bytes = wire("5d 71 00 30 5d 71 01 30 7d 71 02 30");
  std::string list_a, list_b, dict;
  for (int i = 0; i < 200; ++i) {
    const std::string number = "K" + little_endian(static_cast<std::uint64_t>(i), 1);
    bytes += wire("68 00") + number + "a0";
    bytes += wire("68 01 28") + number + number + "e0";
    bytes += wire("68 02") + number + number + "s0";
    bytes += number + wire("85 30");
    const std::string text = std::to_string(i);
    const std::string comma = i == 0 ? "" : ", ";
    list_a += comma + text;
    list_b += comma + text + ", " + text;
    dict += comma + text + ": " + text;
  }
  bytes += wire("68 00 68 01 68 02 87 2e");
  EXPECT_EQ(text_of(bytes), "([" + list_a + "], [" + list_b + "], {" + dict + "})");
}

TEST(ContainerOpcodes, AMemoisedContainerIsFilledWhereverItStands) {
  EXPECT_EQ(read("5d 71 00 85 68 00 4b01 61 30 2e"), "([1],)");
}

TEST(ContainerOpcodes, OnlyListsAndObjectsAreAppendedTo) {
  for (const char* target : {"7d", "29", "8f", "4e", "4b01", "8c 00", "43 00", "63 'm' 0a 'n' 0a", "28 91"}) {
    const std::string start = wire(target);
    expect_corrupt(start + wire("4e 61 2e"), start.size() + 1, std::string("APPEND (0x61) ") + kCannotFill);
    expect_corrupt(start + wire("28 4e 65 2e"), start.size() + 2,
                   std::string("APPENDS (0x65) ") + kCannotFill);
  }
}

TEST(ContainerOpcodes, OnlyDictsAndObjectsAreAssignedTo) {
  for (const char* target : {"5d", "29", "4b01 85", "8f", "4e", "47 0000000000000000", "4e 51",
                             "96 0000000000000000"}) {
    const std::string start = wire(target);
    expect_corrupt(start + wire("4e 4e 73 2e"), start.size() + 2,
                   std::string("SETITEM (0x73) ") + kCannotFill);
    expect_corrupt(start + wire("28 4e 4e 75 2e"), start.size() + 3,
                   std::string("SETITEMS (0x75) ") + kCannotFill);
  }
}

TEST(ContainerOpcodes, OnlySetsAndObjectsAreAddedTo) {
  for (const char* target : {"5d", "7d", "29", "4e", "28 91"}) {
    const std::string start = wire(target);
    expect_corrupt(start + wire("28 4e 90 2e"), start.size() + 2,
                   std::string("ADDITEMS (0x90) ") + kCannotFill);
  }
}

TEST(ContainerOpcodes, AKeyNeedsAValue) {
  expect_corrupt(wire("7d 28 4e 75 2e"), 3, "SETITEMS (0x75) has a key without a value");
  expect_corrupt(wire("28 4e 64 2e"), 2, "DICT (0x64) has a key without a value");
}

TEST(ContainerOpcodes, FillingNeedsAMarkAndAValueBelowIt) {
  for (const char* fill : {"65", "75", "90"}) {
    expect_corrupt(wire("5d 4e") + wire(fill), 2, "without a MARK");
    expect_corrupt(wire("28 4e 4e") + wire(fill), 3, "has no value below its MARK");
    expect_corrupt(wire("5d 28 28") + wire(fill), 3, "has no value below its MARK");
  }
  for (const char* collect : {"74", "6c", "64", "91"}) {
    expect_corrupt(wire("4e") + wire(collect), 1, "without a MARK");
  }
}

TEST(ContainerOpcodes, ValuesBelowTheMarkAreOutOfReach) {
  expect_corrupt(wire("4e 28 85"), 2, "TUPLE1 (0x85) wants 1 value on the stack, but there are 0");
  expect_corrupt(wire("4e 4e 28 4e 86"), 4, "TUPLE2 (0x86) wants 2 values on the stack, but there are 1");
  expect_corrupt(wire("4e 4e 4e 28 87"), 4, "TUPLE3 (0x87) wants 3 values");
  expect_corrupt(wire("5d 28 4e 61"), 3, "APPEND (0x61) wants 2 values");
  expect_corrupt(wire("7d 4e 28 4e 73"), 4, "SETITEM (0x73) wants 3 values");
}

}  // namespace
}  // namespace torchferry::pickle::testing
