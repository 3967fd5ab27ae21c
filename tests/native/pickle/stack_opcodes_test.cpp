#include <gtest/gtest.h>

#include "pickle/refused.h"
#include "pickle/tree_text.h"
#include "pickle/wire.h"

namespace torchferry::pickle::testing {
namespace {

std::string read(const char* written) { return text_of(wire(written)); }

TEST(Framing, ProtocolsUpToFiveAndNone) {
  for (int protocol = 0; protocol <= 5; ++protocol) {
    EXPECT_EQ(text_of("\x80" + little_endian(static_cast<std::uint64_t>(protocol), 1) + "N."), "None");
  }
  EXPECT_EQ(read("4e 2e"), "None");
  expect_refused(wire("80 06 4e 2e"), ErrorCode::unsupported, 0, "pickle protocol 6; the newest known is 5");
  expect_refused(wire("80 ff"), ErrorCode::unsupported, 0, "pickle protocol 255");
}

TEST(Framing, FramesAreTransparentButMustFit) {
  EXPECT_EQ(read("80 04 95 0200000000000000 4e 2e"), "None");
  EXPECT_EQ(read("80 04 95 0000000000000000 4e 2e"), "None");
  expect_corrupt(wire("80 04 95 0300000000000000 4e 2e"), 2,
                 "FRAME (0x95) wants 3 more bytes, but 2 are left");
  expect_corrupt(wire("95 ffffffffffffffff 4e 2e"), 0, "FRAME (0x95) wants 18446744073709551615 more bytes");
}

TEST(Framing, BytesAfterStopAreLeftAlone) {
  const std::string bytes = wire("80 02 4e 2e 80 02 ff ff");
  EXPECT_EQ(parse_text(bytes).consumed, 4u);
}

TEST(Framing, AnEmptyInputIsTruncated) {
  expect_corrupt("", 0, "the pickle ends before STOP");
  EXPECT_THROW(parse({}, Limits()), Error);
}

TEST(Framing, StopIsNeeded) {
  expect_corrupt(wire("80 02 4e"), 3, "the pickle ends before STOP");
  expect_corrupt(wire("2e"), 0, "STOP (0x2E) wants 1 value on the stack, but there are 0");
  expect_corrupt(wire("4e 28 2e"), 2, "STOP (0x2E) wants 1 value");
}

TEST(Framing, WhatIsLeftOnTheStackIsIgnoredAsPythonDoes) {
  EXPECT_EQ(read("4b01 4b02 2e"), "2");
  EXPECT_EQ(read("4b01 28 4b03 2e"), "3");
}

TEST(StackOpcodes, PopTakesAValueOrAMark) {
  EXPECT_EQ(read("4b01 4b02 30 2e"), "1");
  EXPECT_EQ(read("4b01 28 30 2e"), "1");
  EXPECT_EQ(read("4b01 28 4b02 30 30 2e"), "1");
  expect_corrupt(wire("30 4e 2e"), 0, "POP (0x30) without a MARK");
  expect_corrupt(wire("4e 30 30"), 2, "POP (0x30)");
}

TEST(StackOpcodes, PopMarkTakesAllAboveTheMark) {
  EXPECT_EQ(read("4b01 28 4b02 4b03 31 2e"), "1");
  EXPECT_EQ(read("4b01 28 4b02 28 4b03 31 31 2e"), "1");
  expect_corrupt(wire("4e 31 2e"), 1, "POP_MARK (0x31) without a MARK");
}

TEST(StackOpcodes, DupIsTheSameValue) {
  const std::string bytes = wire("5d 32 86 2e");
  const Parsed parsed = parse_text(bytes);
  const auto items = parsed.tree.items(parsed.tree.root());
  EXPECT_EQ(items[0], items[1]);
  expect_corrupt(wire("32"), 0, "DUP (0x32) wants 1 value");
  expect_corrupt(wire("4e 28 32"), 2, "DUP (0x32) wants 1 value");
}

TEST(MemoOpcodes, PutAndGetInBothWidths) {
  EXPECT_EQ(read("5d 71 00 68 00 86 2e"), "([], [])");
  EXPECT_EQ(read("5d 72 00000000 6a 00000000 86 2e"), "([], [])");
  EXPECT_EQ(read("4b01 71 ff 30 6a ff000000 2e"), "1");
}

TEST(MemoOpcodes, MemoizeCountsEntries) {
  EXPECT_EQ(read("4b01 94 4b02 94 68 00 68 01 86 2e"), "(1, 2)");
  EXPECT_EQ(read("4b01 71 05 4b02 94 30 68 01 2e"), "2");
  EXPECT_EQ(read("4b01 94 4b02 71 00 4b03 94 30 68 00 68 01 86 2e"), "(2, 3)");
}

TEST(MemoOpcodes, ALaterPutReplaces) {
  EXPECT_EQ(read("4b01 71 00 4b02 71 00 68 00 2e"), "2");
  EXPECT_EQ(read("4b01 72 ffffffff 4b02 72 ffffffff 6a ffffffff 2e"), "2");
}

TEST(MemoOpcodes, AFarIndexCostsNoMoreThanANearOne) {
  EXPECT_EQ(read("4b01 72 ffffffff 30 4b02 71 00 30 6a ffffffff 68 00 86 2e"), "(1, 2)");
}

TEST(MemoOpcodes, WhatWasNotStoredCannotBeRecalled) {
  expect_corrupt(wire("68 00 2e"), 0, "BINGET (0x68) recalls memo entry 0, which was never stored");
  expect_corrupt(wire("4e 71 00 6a ffffffff 2e"), 3, "LONG_BINGET (0x6A) recalls memo entry 4294967295");
  expect_corrupt(wire("4e 71 05 68 04 2e"), 3, "BINGET (0x68) recalls memo entry 4");
}

TEST(MemoOpcodes, ThereMustBeAValueToRemember) {
  expect_corrupt(wire("71 00"), 0, "BINPUT (0x71) wants 1 value");
  expect_corrupt(wire("72 00000000"), 0, "LONG_BINPUT (0x72) wants 1 value");
  expect_corrupt(wire("94"), 0, "MEMOIZE (0x94) wants 1 value");
  expect_corrupt(wire("4e 28 71 00"), 2, "BINPUT (0x71) wants 1 value");
}

TEST(RefusedOpcodes, TheTextProtocolsAreUnsupported) {
  const std::pair<const char*, const char*> opcodes[] = {
      {"I", "INT (0x49)"},    {"L", "LONG (0x4C)"}, {"F", "FLOAT (0x46)"}, {"S", "STRING (0x53)"},
      {"V", "UNICODE (0x56)"}, {"g", "GET (0x67)"},  {"p", "PUT (0x70)"},   {"P", "PERSID (0x50)"},
      {"i", "INST (0x69)"},   {"o", "OBJ (0x6F)"},
  };
  for (const auto& [opcode, name] : opcodes) {
    expect_refused(std::string("N") + opcode + "1\n.", ErrorCode::unsupported, 1, name);
    expect_refused(std::string("N") + opcode + "1\n.", ErrorCode::unsupported, 1, "write the file again");
  }
}

TEST(RefusedOpcodes, ExtensionsAndBuffersAreUnsupported) {
  expect_refused(wire("4e 82 01"), ErrorCode::unsupported, 1, "EXT1 (0x82)");
  expect_refused(wire("4e 83 0100"), ErrorCode::unsupported, 1, "EXT2 (0x83)");
  expect_refused(wire("4e 84 01000000"), ErrorCode::unsupported, 1, "EXT4 (0x84)");
  expect_refused(wire("4e 97"), ErrorCode::unsupported, 1, "NEXT_BUFFER (0x97)");
  expect_refused(wire("4e 98"), ErrorCode::unsupported, 1, "READONLY_BUFFER (0x98)");
}

TEST(RefusedOpcodes, AllOtherBytesAreCorrupt) {
  const std::string known = "()./012BCFGIJKLMNPQRSTUVX]abcdeghijlopqrstu}";
  int unknown = 0;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (known.find(c) != std::string::npos && c != '/') continue;
    if (byte >= 0x80 && byte <= 0x98) continue;
    expect_corrupt(std::string("N") + c, 1, "unknown opcode (0x");
    ++unknown;
  }
  EXPECT_EQ(unknown, 256 - 43 - 25);
}

}  // namespace
}  // namespace torchferry::pickle::testing
