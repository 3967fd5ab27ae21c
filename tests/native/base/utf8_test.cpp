#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace torchferry::testing {
namespace {

std::string utf8_of(std::uint32_t point) {
  const auto byte = [](std::uint32_t value) { return static_cast<char>(value); };
  if (point < 0x80) return {byte(point)};
  if (point < 0x800) return {byte(0xC0 | point >> 6), byte(0x80 | (point & 0x3F))};
  if (point < 0x10000) {
    return {byte(0xE0 | point >> 12), byte(0x80 | (point >> 6 & 0x3F)), byte(0x80 | (point & 0x3F))};
  }
  return {byte(0xF0 | point >> 18), byte(0x80 | (point >> 12 & 0x3F)), byte(0x80 | (point >> 6 & 0x3F)),
          byte(0x80 | (point & 0x3F))};
}

TEST(Utf8, EveryCodePointIsWellFormedAndNoPrefixOfItIs) {
  for (std::uint32_t point = 0; point < 0x110000; ++point) {
    const std::string text = utf8_of(point);
    ASSERT_TRUE(is_utf8(text)) << std::hex << point;
    for (std::size_t size = 1; size < text.size(); ++size) {
      ASSERT_FALSE(is_utf8(std::string_view(text).substr(0, size))) << std::hex << point;
    }
  }
}

// Of all two-byte texts: 128 * 128 of ASCII, and 30 leads with 64 continuations each.
TEST(Utf8, NothingElseOfTwoBytesIs) {
  int good = 0;
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      good += is_utf8(std::string{static_cast<char>(first), static_cast<char>(second)}) ? 1 : 0;
    }
  }
  EXPECT_EQ(good, 128 * 128 + 30 * 64);
}

// Three bytes that start with a three-byte lead: the 61440 code points from U+0800 to U+FFFF, with the
// surrogates.
TEST(Utf8, NothingElseOfThreeBytesIs) {
  int good = 0;
  for (int first = 0xE0; first < 0xF0; ++first) {
    for (int rest = 0; rest < 0x10000; ++rest) {
      good += is_utf8(std::string{static_cast<char>(first), static_cast<char>(rest >> 8),
                                  static_cast<char>(rest)});
    }
  }
  EXPECT_EQ(good, 0x10000 - 0x800);
}

TEST(Utf8, OverlongAndTooLargeFormsAreNot) {
  for (const char* text : {"\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
                           "\xF5\x80\x80\x80",
                           "\xFF", "\xFE", "\x80", "\xBF", "\xF8\x88\x80\x80\x80"}) {
    EXPECT_EQ(utf8_prefix(text), 0u) << text;
  }
}

TEST(Utf8, SurrogatesPass) {
  EXPECT_TRUE(is_utf8("\xED\xA0\x80"));
  EXPECT_TRUE(is_utf8("\xED\xBF\xBF"));
  EXPECT_TRUE(is_utf8("\xED\xA0\xBD\xED\xB4\xA5"));
}

TEST(Utf8, SurrogatesDoNotPassWhereUtf8IsStrict) {
  for (std::uint32_t point = 0; point < 0x110000; ++point) {
    const bool surrogate = point >= 0xD800 && point < 0xE000;
    ASSERT_EQ(is_strict_utf8("a" + utf8_of(point) + "z"), !surrogate) << std::hex << point;
  }
  EXPECT_FALSE(is_strict_utf8("\xED\x9F\xBF\xED\xA0\x80"));
  EXPECT_FALSE(is_strict_utf8("\xED"));
}

TEST(Utf8, ThePrefixEndsWhereTheFirstBadSequenceBegins) {
  for (std::size_t before = 0; before < 100; ++before) {
    for (const std::size_t after : {std::size_t{0}, std::size_t{1}, std::size_t{40}}) {
      const std::string text = std::string(before, 'x') + "\xC3" + std::string(after, 'y');
      ASSERT_EQ(utf8_prefix(text), before);
      ASSERT_TRUE(is_utf8(std::string(before, 'x') + "\xC3\xA9" + std::string(after, 'y')));
    }
  }
}

TEST(Utf8, AsciiIsSeenAtEveryLength) {
  for (std::size_t size = 0; size < 40; ++size) {
    std::string text(size, 'a');
    ASSERT_TRUE(is_ascii(text));
    for (std::size_t at = 0; at < size; ++at) {
      text[at] = '\x80';
      ASSERT_FALSE(is_ascii(text)) << size << " " << at;
      text[at] = 'a';
    }
  }
}

TEST(Latin1, ThereAndBack) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  std::string text = ">";
  append_latin1_as_utf8(all, text);
  EXPECT_EQ(text.size(), 1u + 128 + 2 * 128);
  EXPECT_TRUE(is_utf8(text));
  EXPECT_EQ(text.substr(text.size() - 2), "\xC3\xBF");
  std::string back = "<";
  EXPECT_TRUE(append_utf8_as_latin1(std::string_view(text).substr(1), back));
  EXPECT_EQ(back, "<" + all);
}

TEST(Latin1, WhatDoesNotFitLeavesTheOutputAlone) {
  std::string out = "before";
  EXPECT_FALSE(append_utf8_as_latin1("ab\xC4\x80", out));
  EXPECT_FALSE(append_utf8_as_latin1("\xE2\x82\xAC", out));
  EXPECT_EQ(out, "before");
}

}  // namespace
}  // namespace torchferry::testing
