#include <gtest/gtest.h>

#include "pickle/refused.h"
#include "pickle/tree_text.h"
#include "pickle/wire.h"

namespace torchferry::pickle::testing {
namespace {

std::string read(const std::string& written) { return text_of(wire(written)); }

const std::string kClass = "63 'm' 0a 'C' 0a ";
const std::string kObject = kClass + "29 52 ";

TEST(ObjectOpcodes, GlobalsAreNamesAlone) {
  EXPECT_EQ(read("63 'os' 0a 'system' 0a 2e"), "os.system");
  EXPECT_EQ(read("8c 02 'os' 8c 06 'system' 93 2e"), "os.system");
  EXPECT_EQ(read("63 0a 0a 2e"), ".");
  const std::string bytes = wire("8c 03 'a.b' 8c 03 'C.d' 93 2e");
  const Parsed parsed = parse_text(bytes);
  EXPECT_EQ(parsed.tree.module(parsed.tree.root()), "a.b");
  EXPECT_EQ(parsed.tree.name(parsed.tree.root()), "C.d");
  EXPECT_EQ(parsed.tree.qualified_name(parsed.tree.root()), "a.b.C.d");
}

TEST(ObjectOpcodes, GlobalsWithBadNames) {
  expect_corrupt(wire("63 'a' ff 0a 'b' 0a 2e"), 0, "GLOBAL with a name that is not UTF-8");
  expect_corrupt(wire("63 'a' 0a 'b'"), 0, "truncated");
  expect_corrupt(wire("63"), 0, "truncated");
  expect_corrupt(wire("4b01 8c 01 'a' 93 2e"), 5, "STACK_GLOBAL (0x93) without a module name");
  expect_corrupt(wire("8c 01 'a' 4b01 93 2e"), 5, "STACK_GLOBAL (0x93) without a name");
  expect_corrupt(wire("8c 01 'a' 93 2e"), 3, "STACK_GLOBAL (0x93) wants 2 values");
}

TEST(ObjectOpcodes, ReduceAndNewobjKeepWhatTheyWereGiven) {
  EXPECT_EQ(read(kClass + "4b01 85 52 2e"), "m.C(1)");
  EXPECT_EQ(read(kClass + "4b01 85 81 2e"), "new m.C(1)");
  EXPECT_EQ(read(kClass + "4b01 85 7d 92 2e"), "new m.C(1)");
  EXPECT_EQ(read(kClass + "29 7d 8c 01 'k' 4b02 73 92 2e"), "new m.C(, **{'k': 2})");
}

TEST(ObjectOpcodes, WhatACallGaveMayBeCalled) {
  EXPECT_EQ(read(kObject + "4b01 85 52 2e"), "m.C()(1)");
  EXPECT_EQ(read("4b01 51 29 81 2e"), "new persistent(1)()");
}

TEST(ObjectOpcodes, PlainValuesCannotBeCalled) {
  for (const char* callable : {"4e", "4b01", "8c 00", "5d", "7d", "29", "43 00"}) {
    const std::string start = wire(callable);
    expect_corrupt(start + wire("29 52 2e"), start.size() + 1, "REDUCE (0x52) of a plain value");
    expect_corrupt(start + wire("29 81 2e"), start.size() + 1, "NEWOBJ (0x81) of a plain value");
    expect_corrupt(start + wire("29 7d 92 2e"), start.size() + 2, "NEWOBJ_EX (0x92) of a plain value");
  }
}

TEST(ObjectOpcodes, ArgumentsAreATuple) {
  const std::string start = wire(kClass);
  expect_corrupt(start + wire("5d 52 2e"), 6, "REDUCE (0x52) without a tuple of arguments");
  expect_corrupt(start + wire("4e 81 2e"), 6, "NEWOBJ (0x81) without a tuple of arguments");
  expect_corrupt(start + wire("7d 7d 92 2e"), 7, "NEWOBJ_EX (0x92) without a tuple of arguments");
  expect_corrupt(start + wire("29 29 92 2e"), 7, "NEWOBJ_EX (0x92) without a dict of keyword arguments");
  expect_corrupt(wire("29 52 2e"), 1, "REDUCE (0x52) wants 2 values");
}

TEST(ObjectOpcodes, ObjectsTakeItemsPairsAndState) {
  EXPECT_EQ(read(kObject + "4b01 61 28 4b02 4b03 65 28 4b04 90 2e"), "m.C().append(1, 2, 3, 4)");
  EXPECT_EQ(read(kObject + "4b01 4e 73 28 4b02 4e 75 2e"), "m.C().assign(1: None, 2: None)");
  EXPECT_EQ(read(kObject + "4b01 62 2e"), "m.C().state(1)");
  EXPECT_EQ(read(kClass + "29 81 4b01 61 4b02 4e 73 29 62 2e"),
            "new m.C().append(1).assign(2: None).state(())");
}

TEST(ObjectOpcodes, TheLastStateWins) {
  EXPECT_EQ(read(kObject + "4b01 62 4b02 62 2e"), "m.C().state(2)");
  EXPECT_EQ(read(kObject + "7d 62 4b02 62 2e"), "m.C().state(2)");
  EXPECT_EQ(read(kObject + "4b01 62 7d 62 2e"), "m.C().state({})");
}

TEST(ObjectOpcodes, StateDictsUpdateEachOther) {
  const std::string one = "7d 4b01 88 73 71 00 ";
  const std::string two = "7d 4b02 89 73 71 01 ";
  EXPECT_EQ(read(kObject + one + "62" + two + "62 2e"), "m.C().state({1: True, 2: False})");
  EXPECT_EQ(read(kObject + one + "62" + two + "62 68 00 62 2e"), "m.C().state({1: True, 2: False, 1: True})");
  EXPECT_EQ(read(kObject + one + "62" + two + "62 68 00 86 2e"),
            "(m.C().state({1: True, 2: False}), {1: True})");
  EXPECT_EQ(read(kObject + one + "62" + two + "62 4e 62 68 01 62 2e"), "m.C().state({2: False})");
}

TEST(ObjectOpcodes, OnlyObjectsTakeState) {
  for (const char* target : {"5d", "7d", "29", "8f", "4e", "63 'm' 0a 'n' 0a", "4e 51", "28 91"}) {
    const std::string start = wire(target);
    expect_corrupt(start + wire("7d 62 2e"), start.size() + 1, "BUILD (0x62) without an object");
  }
}

TEST(ObjectOpcodes, AnObjectMayBeItsOwnState) {
  EXPECT_EQ(read(kObject + "71 00 68 00 62 68 00 61 2e"), "m.C().append(...).state(...)");
}

TEST(ObjectOpcodes, BinpersidWrapsItsId) {
  EXPECT_EQ(read("4b01 4b02 86 51 2e"), "persistent((1, 2))");
  EXPECT_EQ(read("8c 01 'k' 51 2e"), "persistent('k')");
  expect_corrupt(wire("51 2e"), 0, "BINPERSID (0x51) wants 1 value");
}

// How protocols 0 to 3 write what later ones have opcodes for.

const std::string kEncode = "63 '_codecs' 0a 'encode' 0a ";

std::string builtin(const std::string& name) { return "63 '__builtin__' 0a '" + name + "' 0a "; }

TEST(PlainValues, BytesAreEncodedText) {
  EXPECT_EQ(read(kEncode + "8c 02 c3bf 8c 06 'latin1' 86 52 2e"), R"(b'\xff')");
  EXPECT_EQ(read(kEncode + "8c 01 'a' 8c 07 'latin-1' 86 52 2e"), "b'a'");
  EXPECT_EQ(read(kEncode + "8c 00 8c 06 'latin1' 86 52 2e"), "b''");
  EXPECT_EQ(read(builtin("bytes") + "29 52 2e"), "b''");
}

TEST(PlainValues, TheSameTextIsEncodedOnce) {
  const std::string call = kEncode + "68 00 68 01 86 52 ";
  const std::string bytes = wire("8c 02 c3bf 94 8c 06 'latin1' 94 28" + call + call + "74 2e");
  const Parsed parsed = parse_text(bytes);
  const auto items = parsed.tree.items(parsed.tree.root());
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0], items[1]);
  EXPECT_EQ(parsed.tree.text(items[0]), "\xff");
}

TEST(PlainValues, APython2StringIsEncodedToItsBytes) {
  EXPECT_EQ(read(kEncode + "55 02 e9ff 8c 06 'latin1' 86 52 2e"), R"(b'\xe9\xff')");
}

TEST(PlainValues, ByteArrays) {
  EXPECT_EQ(read(builtin("bytearray") + "29 52 2e"), "bytearray(b'')");
  EXPECT_EQ(read(builtin("bytearray") + "43 02 00ff 85 52 2e"), R"(bytearray(b'\x00\xff'))");
  EXPECT_EQ(read(builtin("bytearray") + "8c 02 c3bf 8c 07 'latin-1' 86 52 2e"), R"(bytearray(b'\xff'))");
}

TEST(PlainValues, Sets) {
  EXPECT_EQ(read(builtin("set") + "5d 28 4b01 4b02 65 85 52 2e"), "set(1, 2)");
  EXPECT_EQ(read(builtin("frozenset") + "5d 4b01 61 85 52 2e"), "frozenset(1)");
  EXPECT_EQ(read(builtin("set") + "29 52 2e"), "set()");
  EXPECT_EQ(read(builtin("frozenset") + "5d 85 52 2e"), "frozenset()");
}

TEST(PlainValues, ASetAndItsListGrowApart) {
  const std::string list = "5d 71 00 28 4b01 4b02 4b03 65 ";
  const std::string set = builtin("set") + "68 00 85 52 71 01 ";
  EXPECT_EQ(read(list + set + "28 4b09 90 30 30 68 00 4b08 61 68 01 86 2e"),
            "([1, 2, 3, 8], set(1, 2, 3, 9))");
  EXPECT_EQ(read(list + set + "30 4b08 61 30 68 01 28 4b09 90 68 00 86 2e"),
            "(set(1, 2, 3, 9), [1, 2, 3, 8])");
}

TEST(PlainValues, OtherArgumentsLeaveTheCallAsItWas) {
  EXPECT_EQ(read(kEncode + "8c 03 e282ac 8c 06 'latin1' 86 52 2e"),
            R"(_codecs.encode('\xe2\x82\xac', 'latin1'))");
  EXPECT_EQ(read(kEncode + "8c 01 'a' 8c 04 'zlib' 86 52 2e"), "_codecs.encode('a', 'zlib')");
  EXPECT_EQ(read(kEncode + "8c 01 'a' 85 52 2e"), "_codecs.encode('a')");
  EXPECT_EQ(read(kEncode + "43 01 'a' 8c 06 'latin1' 86 52 2e"), "_codecs.encode(b'a', 'latin1')");
  EXPECT_EQ(read(builtin("bytes") + "4b05 85 52 2e"), "builtins.bytes(5)");
  EXPECT_EQ(read(builtin("bytearray") + "4a 00000010 85 52 2e"), "builtins.bytearray(268435456)");
  EXPECT_EQ(read(builtin("set") + "29 85 52 2e"), "builtins.set(())");
  EXPECT_EQ(read(builtin("set") + "29 81 2e"), "new builtins.set()");
  EXPECT_EQ(read("63 'm' 0a 'set' 0a 29 52 2e"), "m.set()");
}

// The same text twice must not be worth trying twice either.
TEST(PlainValues, TextThatDoesNotFitStaysACallEachTime) {
  const std::string call = kEncode + "68 00 68 01 86 52 ";
  EXPECT_EQ(read("8c 03 e282ac 94 8c 06 'latin1' 94 28" + call + call + "74 2e"),
            R"((_codecs.encode('\xe2\x82\xac', 'latin1'), _codecs.encode('\xe2\x82\xac', 'latin1')))");
}

}  // namespace
}  // namespace torchferry::pickle::testing
