#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "container/deflate_samples.h"
#include "container/zip_builder.h"
#include "fuzz/reading.h"

namespace torchferry {
namespace {

using testing::ZipBuilder;

/// One archive as PyTorch writes it and one as zip tools do, each with a deflated record and an empty one.
std::vector<std::string> archives() {
  const auto fill = [](ZipBuilder builder) {
    const auto& sample = testing::deflate_samples().front();
    return builder.add("r/data.pkl", "pickle")
        .add({.name = "r/code.py",
              .payload = sample.stream,
              .method = 8,
              .size = sample.content.size(),
              .crc = crc32(0, testing::as_bytes(sample.content))})
        .add("r/empty", "")
        .add("r/data/0", std::string(64, 's'))
        .bytes();
  };
  ZipBuilder plain;
  plain.zip64_end = false;
  plain.descriptor_flag = 0;
  plain.alignment = 1;
  return {fill(ZipBuilder()), fill(plain)};
}

bool opens_and_reads(const std::string& bytes) { return fuzz::reads_zip(testing::as_bytes(bytes)); }

TEST(ZipDamage, EveryTruncationIsRefused) {
  for (const std::string& bytes : archives()) {
    ASSERT_TRUE(opens_and_reads(bytes));
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      EXPECT_FALSE(opens_and_reads(bytes.substr(0, length))) << length;
    }
  }
}

TEST(ZipDamage, EveryMissingStartIsRefused) {
  for (const std::string& bytes : archives()) {
    for (std::size_t length = 1; length < bytes.size(); ++length) {
      EXPECT_FALSE(opens_and_reads(bytes.substr(length)));
    }
  }
}

TEST(ZipDamage, EveryChangedByteIsReadOrRefused) {
  for (std::string bytes : archives()) {
    int refused = 0;
    for (char& byte : bytes) {
      const char good = byte;
      for (const int flip : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF}) {
        byte = static_cast<char>(good ^ flip);
        refused += !opens_and_reads(bytes);
      }
      byte = good;
    }
    // Payloads and names are covered by checksums and twice-written names; padding, dates and versions are
    // not.
    EXPECT_GT(refused, static_cast<int>(bytes.size() * 9 / 3));
  }
}

TEST(ZipDamage, EveryByteInsertedOrTakenOutIsRefused) {
  for (const std::string& bytes : archives()) {
    for (std::size_t at = 0; at + 1 < bytes.size(); ++at) {
      EXPECT_FALSE(opens_and_reads(std::string(bytes).erase(at, 1))) << at;
      EXPECT_FALSE(opens_and_reads(std::string(bytes).insert(at, 1, 'i'))) << at;
    }
  }
}

TEST(ZipDamage, ChangedNumbersAreReadOrRefused) {
  for (const std::string& bytes : archives()) {
    for (const std::size_t width : {2U, 4U, 8U}) {
      for (std::size_t at = 0; at + width <= bytes.size(); ++at) {
        for (const std::uint64_t value :
             {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << (8 * width - 1)}) {
          std::string changed = bytes;
          testing::poke(changed, at, value, width);
          opens_and_reads(changed);
        }
      }
    }
  }
}

}  // namespace
}  // namespace torchferry
