#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "pickle/refused.h"
#include "pickle/tree_text.h"
#include "pickle/wire.h"

namespace torchferry::pickle::testing {
namespace {

std::string read(const char* written) { return text_of(wire(written)); }

TEST(ValueOpcodes, Constants) {
  EXPECT_EQ(read("4e 2e"), "None");
  EXPECT_EQ(read("88 2e"), "True");
  EXPECT_EQ(read("89 2e"), "False");
}

TEST(ValueOpcodes, Integers) {
  EXPECT_EQ(read("4b 00 2e"), "0");
  EXPECT_EQ(read("4b ff 2e"), "255");
  EXPECT_EQ(read("4d 0001 2e"), "256");
  EXPECT_EQ(read("4d ffff 2e"), "65535");
  EXPECT_EQ(read("4a 00000100 2e"), "65536");
  EXPECT_EQ(read("4a ffffffff 2e"), "-1");
  EXPECT_EQ(read("4a 00000080 2e"), "-2147483648");
}

TEST(ValueOpcodes, Long1IsTwosComplement) {
  EXPECT_EQ(read("8a 00 2e"), "0");
  EXPECT_EQ(read("8a 01 ff 2e"), "-1");
  EXPECT_EQ(read("8a 02 ff00 2e"), "255");
  EXPECT_EQ(read("8a 05 0000008000 2e"), "2147483648");
  EXPECT_EQ(read("8a 08 ffffffffffffff7f 2e"), "9223372036854775807");
  EXPECT_EQ(read("8a 08 0000000000000080 2e"), "-9223372036854775808");
}

TEST(ValueOpcodes, AnIntegerOfMoreBytesThanItNeedsIsTheSameInteger) {
  EXPECT_EQ(read("8a 09 ffffffffffffffffff 2e"), "-1");
  EXPECT_EQ(read("8a 0a 07000000000000000000 2e"), "7");
  EXPECT_EQ(read("8a 0a ffffffffffffffff0000 2e"), "int:ffffffffffffffff00");
  EXPECT_EQ(read("8b 03000000 0100ff 2e"), "-65535");
}

TEST(ValueOpcodes, Long4) {
  EXPECT_EQ(read("8b 00000000 2e"), "0");
  EXPECT_EQ(read("8b 09000000 ffffffffffffffff00 2e"), "int:ffffffffffffffff00");
  expect_corrupt(wire("8b ffffffff 00 2e"), 0, "LONG4 (0x8B) has the negative length -1");
}

TEST(ValueOpcodes, SmallIntegersAreOneNodeHoweverWritten) {
  const std::string bytes = wire("28 4b 07 4d 0700 4a 07000000 8a 01 07 4d 0002 4d 0002 74 2e");
  const Parsed parsed = parse_text(bytes);
  const auto items = parsed.tree.items(parsed.tree.root());
  ASSERT_EQ(items.size(), 6u);
  for (int i = 1; i < 4; ++i) EXPECT_EQ(items[static_cast<std::size_t>(i)], items[0]);
  EXPECT_EQ(parsed.tree.offset(items[0]), 1u);
  EXPECT_NE(items[4], items[5]);
  EXPECT_EQ(text_of(parsed.tree), "(7, 7, 7, 7, 512, 512)");
}

TEST(ValueOpcodes, RealsAreBigEndianAndKeepTheirBits) {
  EXPECT_EQ(read("47 3ff8000000000000 2e"), "r1.5");
  const std::string bytes = wire("28 47 8000000000000000 47 7ff8000000000001 47 fff0000000000000 74 2e");
  const Parsed parsed = parse_text(bytes);
  const auto items = parsed.tree.items(parsed.tree.root());
  EXPECT_TRUE(std::signbit(parsed.tree.real(items[0])));
  EXPECT_EQ(std::bit_cast<std::uint64_t>(parsed.tree.real(items[1])), 0x7ff8000000000001u);
  EXPECT_EQ(parsed.tree.real(items[2]), -INFINITY);
}

TEST(ValueOpcodes, StringsOfAllLengthFields) {
  EXPECT_EQ(read("58 02000000 'hi' 2e"), "'hi'");
  EXPECT_EQ(read("8c 02 'hi' 2e"), "'hi'");
  EXPECT_EQ(read("8d 0200000000000000 'hi' 2e"), "'hi'");
  EXPECT_EQ(read("58 00000000 2e"), "''");
}

TEST(ValueOpcodes, StringsAreViewsIntoThePickle) {
  const std::string bytes = wire("58 02000000 'hi' 2e");
  const Parsed parsed = parse_text(bytes);
  EXPECT_EQ(parsed.tree.text(parsed.tree.root()).data(), bytes.data() + 5);
}

TEST(ValueOpcodes, StringsMustBeUtf8ButMayHoldLoneSurrogates) {
  EXPECT_EQ(read("8c 03 eda080 2e"), R"('\xed\xa0\x80')");
  expect_corrupt(wire("8c 03 'a' ff 'b' 2e"), 0, "SHORT_BINUNICODE (0x8C) text is not UTF-8 at its byte 1");
  expect_corrupt(wire("4e 58 02000000 c080 2e"), 1, "BINUNICODE (0x58) text is not UTF-8 at its byte 0");
  expect_corrupt(wire("8d 0100000000000000 80 2e"), 0, "BINUNICODE8 (0x8D) text is not UTF-8");
}

TEST(ValueOpcodes, BytesOfAllLengthFields) {
  EXPECT_EQ(read("43 02 00ff 2e"), R"(b'\x00\xff')");
  EXPECT_EQ(read("42 02000000 00ff 2e"), R"(b'\x00\xff')");
  EXPECT_EQ(read("8e 0200000000000000 00ff 2e"), R"(b'\x00\xff')");
  EXPECT_EQ(read("96 0200000000000000 00ff 2e"), R"(bytearray(b'\x00\xff'))");
}

TEST(ValueOpcodes, Python2StringsAreUtf8OrElseLatin1) {
  EXPECT_EQ(read("55 03 'abc' 2e"), "'abc'");
  EXPECT_EQ(read("54 03000000 'abc' 2e"), "'abc'");
  EXPECT_EQ(read("55 02 c3a9 2e"), R"('\xc3\xa9')");
  EXPECT_EQ(read("55 02 e9ff 2e"), R"('\xc3\xa9\xc3\xbf')");
  EXPECT_EQ(read("54 02000000 'a' 80 2e"), R"('a\xc2\x80')");
  EXPECT_EQ(read("55 00 2e"), "''");
  expect_corrupt(wire("54 000000ff 2e"), 0, "BINSTRING (0x54) has the negative length -16777216");
}

TEST(ValueOpcodes, Python2StringsKeepTheirBytes) {
  const std::string bytes = wire("28 55 02 e9ff 54 02000000 'a' 80 55 02 'ok' 8c 02 'ok' 74 2e");
  const Parsed parsed = parse_text(bytes);
  const auto items = parsed.tree.items(parsed.tree.root());
  EXPECT_EQ(parsed.tree.python2_bytes(items[0]), "\xe9\xff");
  EXPECT_EQ(parsed.tree.python2_bytes(items[1]), "a\x80");
  EXPECT_EQ(parsed.tree.python2_bytes(items[2]), "ok");
  EXPECT_EQ(parsed.tree.python2_bytes(items[3]), std::nullopt);
}

}  // namespace
}  // namespace torchferry::pickle::testing
