#include "container/inflate.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "container/deflate_samples.h"
#include "container/deflate_writer.h"
#include "container/zip_builder.h"
#include "io/error_of.h"

namespace torchferry {
namespace {

using testing::as_bytes;
using testing::deflate_samples;
using testing::DeflateSample;
using testing::DeflateWriter;
using testing::error_of;
using testing::expect_error;

std::string inflated(std::string_view stream, std::size_t size) {
  std::string out(size, '?');
  inflate(as_bytes(stream), std::as_writable_bytes(std::span(out)));
  return out;
}

TEST(Inflate, UndoesWhatZlibDeflated) {
  for (const DeflateSample& sample : deflate_samples()) {
    EXPECT_EQ(inflated(sample.stream, sample.content.size()), sample.content) << sample.name;
  }
}

TEST(Inflate, WantsExactlyTheWholeStreamAndTheWholeOutput) {
  for (const DeflateSample& sample : deflate_samples()) {
    SCOPED_TRACE(sample.name);
    const std::string& stream = sample.stream;
    const std::size_t size = sample.content.size();
    expect_error(ErrorCode::corrupt, "where " + std::to_string(size + 1) + " are expected",
                 [&] { inflated(stream, size + 1); });
    if (size != 0) {
      expect_error(ErrorCode::corrupt, "gives more than the expected", [&] { inflated(stream, size - 1); });
    }
    const Error trailing = error_of([&] { inflated(stream + '\0', size); });
    EXPECT_EQ(trailing.message(), "bytes follow the end of the deflate stream");
    EXPECT_EQ(trailing.offset(), stream.size());
    for (std::size_t length = 0; length < stream.size(); ++length) {
      const Error error = error_of([&] { inflated(std::string_view(stream).substr(0, length), size); });
      ASSERT_EQ(error.message(), "the deflate stream ends early") << length;
      ASSERT_LE(*error.offset(), length);
    }
  }
}

TEST(Inflate, SurvivesEveryDamagedByte) {
  int refused = 0;
  int accepted = 0;
  for (const DeflateSample& sample : deflate_samples()) {
    std::string stream = sample.stream;
    for (char& byte : stream) {
      const char good = byte;
      for (const int flip : {0x01, 0x08, 0x40, 0xFF}) {
        byte = static_cast<char>(good ^ flip);
        try {
          inflated(stream, sample.content.size());
          ++accepted;
        } catch (const Error& error) {
          ASSERT_EQ(error.code(), ErrorCode::corrupt);
          ASSERT_LE(*error.offset(), stream.size());
          ++refused;
        }
      }
      byte = good;
    }
  }
  EXPECT_GT(refused, accepted);
}

TEST(Inflate, TakesStoredBlocksOfAllSizes) {
  for (const std::size_t size : {0U, 1U, 7U, 0xFFFFU, 0x10000U, 200'000U}) {
    const std::string content(size, 's');
    EXPECT_EQ(inflated(testing::deflate_stored(content), size), content);
  }
  DeflateWriter mixed;
  mixed.begin_fixed(false).text("one ").end_block().stored_block(false, "two ").stored_block(false, "");
  mixed.begin_fixed(true).text("three").end_block();
  EXPECT_EQ(inflated(mixed.bytes(), 13), "one two three");
}

TEST(Inflate, RefusesBrokenStoredBlocks) {
  std::string stream = DeflateWriter().stored_block(true, "content").bytes();
  expect_error(ErrorCode::corrupt, "gives more", [&] { inflated(stream, 6); });
  stream[3] = static_cast<char>(stream[3] ^ 1);
  expect_error(ErrorCode::corrupt, "contradicts itself", [&] { inflated(stream, 7); });
  expect_error(ErrorCode::corrupt, "ends early", [&] {
    inflated(std::string("\1\x40\0\xBF\xFF"
                         "abc",
                         8),
             64);
  });
}

TEST(Inflate, RefusesTheReservedBlockType) {
  expect_error(ErrorCode::corrupt, "reserved type",
               [] { inflated(DeflateWriter().begin_block(true, 3).bytes(), 0); });
}

TEST(Inflate, CopiesMatchesThatOverlapThemselves) {
  for (unsigned distance = 1; distance <= 4; ++distance) {
    for (const std::size_t room : {0U, 1U, 8U, 20U}) {
      DeflateWriter writer;
      writer.begin_fixed(true).text("abcd").literal(264).distance(distance - 1);  // 10 bytes
      const std::string tail(room, '.');
      writer.text(tail).end_block();
      std::string expected = "abcd";
      for (int i = 0; i < 10; ++i) expected += expected[expected.size() - distance];
      EXPECT_EQ(inflated(writer.bytes(), expected.size() + room), expected + tail);
    }
  }
}

TEST(Inflate, KnowsEveryLengthAndDistanceCode) {
  // For each code the least and the greatest value: bases and extra bits as in RFC 1951, 3.2.5.
  static constexpr unsigned length_bases[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                              31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
  static constexpr unsigned distance_bases[] = {
      1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
      193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
  const std::string history = testing::words() + std::string(31'868, 'h');
  ASSERT_EQ(history.size(), 32'768U);
  const auto check = [&](unsigned length, unsigned length_code, unsigned length_bits, unsigned distance,
                         unsigned distance_code, unsigned distance_bits) {
    DeflateWriter writer;
    writer.stored_block(false, history).begin_fixed(true);
    writer.literal(length_code).bits(length - length_bases[length_code - 257], length_bits);
    writer.distance(distance_code).bits(distance - distance_bases[distance_code], distance_bits).end_block();
    std::string expected = history;
    for (unsigned i = 0; i < length; ++i) expected += expected[expected.size() - distance];
    ASSERT_EQ(inflated(writer.bytes(), expected.size()), expected) << length << ' ' << distance;
  };
  for (unsigned code = 257; code <= 285; ++code) {
    const unsigned extra = code < 265 || code == 285 ? 0 : (code - 261) / 4;
    check(length_bases[code - 257], code, extra, 32'768, 29, 13);
    check(length_bases[code - 257] + (1U << extra) - 1, code, extra, 1, 0, 0);
  }
  for (unsigned code = 0; code < 30; ++code) {
    const unsigned extra = code < 4 ? 0 : (code - 2) / 2;
    check(3, 257, 0, distance_bases[code], code, extra);
    check(258, 285, 0, distance_bases[code] + (1U << extra) - 1, code, extra);
  }
}

TEST(Inflate, RefusesMatchesOutsideTheOutput) {
  const auto stream = [](unsigned length_code, unsigned distance_code) {
    DeflateWriter writer;
    writer.begin_fixed(true).text("abc").literal(length_code).distance(distance_code).end_block();
    return writer.bytes();
  };
  expect_error(ErrorCode::corrupt, "before the first", [&] { inflated(stream(257, 3), 6); });
  EXPECT_EQ(inflated(stream(257, 2), 6), "abcabc");
  expect_error(ErrorCode::corrupt, "gives more", [&] { inflated(stream(258, 2), 6); });
}

TEST(Inflate, RefusesSymbolsThatStandForNothing) {
  for (const unsigned symbol : {286U, 287U}) {
    expect_error(ErrorCode::corrupt, "a length that does not exist", [&] {
      inflated(DeflateWriter().begin_fixed(true).literal(symbol).bits(0, 32).bytes(), 100);
    });
  }
  for (const unsigned symbol : {30U, 31U}) {
    expect_error(ErrorCode::corrupt, "a distance that does not exist", [&] {
      inflated(DeflateWriter().begin_fixed(true).text("a").literal(257).distance(symbol).bits(0, 32).bytes(),
               100);
    });
  }
}

/// A complete code: one symbol of each length up to the longest, which has two.
DeflateWriter::Lengths staircase(std::size_t symbols, const std::vector<std::size_t>& used) {
  DeflateWriter::Lengths lengths(symbols, 0);
  for (std::size_t i = 0; i < used.size(); ++i) {
    lengths[used[i]] = static_cast<std::uint8_t>(i + 1 < used.size() ? i + 1 : i);
  }
  return lengths;
}

TEST(Inflate, DecodesTheLongestCodes) {
  std::vector<std::size_t> literals, distances;
  for (std::size_t i = 0; i < 14; ++i) literals.push_back('a' + i);
  literals.push_back(256);
  literals.push_back(257);
  for (std::size_t i = 0; i < 16; ++i) distances.push_back(i);
  DeflateWriter writer;
  writer.begin_dynamic(true, staircase(258, literals), staircase(16, distances)).text("abcdefghijklmn");
  std::string expected = "abcdefghijklmn";
  for (const unsigned code : {0U, 3U, 4U, 7U, 8U, 9U}) {
    const unsigned extra = code < 4 ? 0 : (code - 2) / 2;
    const std::size_t distance = code < 4 ? code + 1 : 1 + ((2U + code % 2) << extra);
    writer.literal(257).distance(code).bits(0, extra);
    for (int i = 0; i < 3; ++i) expected += expected[expected.size() - distance];
  }
  for (unsigned code = 10; code < 16; ++code) {
    DeflateWriter beyond = writer;
    beyond.literal(257).distance(code).bits(0, 6).end_block();
    expect_error(ErrorCode::corrupt, "before the first", [&] { inflated(beyond.bytes(), 100); });
  }
  writer.end_block();
  EXPECT_EQ(inflated(writer.bytes(), expected.size()), expected);
}

TEST(Inflate, TakesCodesOfOneSymbolAndOfNone) {
  DeflateWriter::Lengths literals(257, 0);
  literals['x'] = 1;
  literals[256] = 1;
  DeflateWriter no_distance;
  no_distance.begin_dynamic(true, literals, {0}).text("xxx").end_block();
  EXPECT_EQ(inflated(no_distance.bytes(), 3), "xxx");

  literals.assign(258, 0);
  literals['x'] = literals[256] = 2;
  literals[257] = 1;
  DeflateWriter one_distance;
  one_distance.begin_dynamic(true, literals, {1}).text("x").literal(257).distance(0).end_block();
  EXPECT_EQ(inflated(one_distance.bytes(), 4), "xxxx");
  DeflateWriter wrong_bit;
  wrong_bit.begin_dynamic(true, literals, {1}).text("x").literal(257).bits(1, 1).end_block();
  expect_error(ErrorCode::corrupt, "a distance that does not exist", [&] { inflated(wrong_bit.bytes(), 4); });
  DeflateWriter unusable;
  unusable.begin_dynamic(true, literals, {0}).text("x").literal(257).bits(0, 8).end_block();
  expect_error(ErrorCode::corrupt, "a distance that does not exist", [&] { inflated(unusable.bytes(), 4); });

  literals.assign(257, 0);
  literals[256] = 1;
  EXPECT_EQ(inflated(DeflateWriter().begin_dynamic(true, literals, {0}).end_block().bytes(), 0), "");
}

TEST(Inflate, RefusesWhatIsNoPrefixCode) {
  const auto refused = [](std::string_view words, DeflateWriter::Lengths literals,
                          DeflateWriter::Lengths distances) {
    DeflateWriter writer;
    writer.begin_dynamic(true, std::move(literals), std::move(distances)).bits(0, 32);
    expect_error(ErrorCode::corrupt, words, [&] { inflated(writer.bytes(), 10); });
  };
  DeflateWriter::Lengths good(257, 0);
  good['x'] = good[256] = 1;
  DeflateWriter::Lengths many = good, few = good, no_end = good;
  many['y'] = 1;
  few['x'] = 2;
  no_end[256] = 0;
  no_end['y'] = 1;
  refused("literal codes", many, {0});
  refused("literal codes", few, {0});
  refused("no code for its end", no_end, {0});
  refused("distance codes", good, {1, 1, 1});
  refused("distance codes", good, {2, 2});
  refused("distance codes", good, {15});
  refused("too many codes", DeflateWriter::Lengths(287, 9), {1});
  refused("too many codes", good, DeflateWriter::Lengths(31, 5));
}

TEST(Inflate, RefusesBadCodeLengths) {
  // One length code of one bit is incomplete; the format allows that for distances only.
  DeflateWriter incomplete;
  incomplete.begin_block(true, 2).bits(0, 5).bits(0, 5).bits(0, 4).bits(1, 3).bits(0, 9 + 64);
  expect_error(ErrorCode::corrupt, "code lengths", [&] { inflated(incomplete.bytes(), 10); });
  DeflateWriter none;
  none.begin_block(true, 2).bits(0, 5).bits(0, 5).bits(0, 4).bits(0, 12).bits(0, 32);
  expect_error(ErrorCode::corrupt, "code lengths", [&] { inflated(none.bytes(), 10); });

  // Codes for "repeat the last" and "zeros" (16 and 18), one bit each.
  const auto with_repeats = [] {
    return DeflateWriter()
        .begin_block(true, 2)
        .bits(0, 5)
        .bits(0, 5)
        .bits(0, 4)
        .bits(1, 3)
        .bits(0, 3)
        .bits(1, 3)
        .bits(0, 3);
  };
  expect_error(ErrorCode::corrupt, "before the first",
               [&] { inflated(with_repeats().bits(0, 64).bytes(), 10); });
  // 138 + 138 zeros are more than 258 lengths.
  expect_error(ErrorCode::corrupt, "too many code lengths",
               [&] { inflated(with_repeats().bits(0xFF, 8).bits(0xFF, 8).bits(0, 64).bytes(), 10); });
}

}  // namespace
}  // namespace torchferry
