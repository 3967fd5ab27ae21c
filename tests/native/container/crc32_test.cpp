#include "container/crc32.h"

#include <gtest/gtest.h>

#include <string>

#include "container/zip_builder.h"

namespace torchferry {
namespace {

using testing::as_bytes;

TEST(Crc32, GivesThePublishedCheckValues) {
  EXPECT_EQ(crc32(0, {}), 0U);
  EXPECT_EQ(crc32(0, as_bytes("a")), 0xE8B7BE43U);
  EXPECT_EQ(crc32(0, as_bytes("123456789")), 0xCBF43926U);
  EXPECT_EQ(crc32(0, as_bytes("The quick brown fox jumps over the lazy dog")), 0x414FA339U);
  EXPECT_EQ(crc32(0, as_bytes(std::string(32, '\0'))), 0x190A55ADU);
  EXPECT_EQ(crc32(0, as_bytes(std::string(32, '\xFF'))), 0xFF6CAB0BU);
}

/// One byte at a time, from the definition.
std::uint32_t by_definition(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

TEST(Crc32, IsTheSameForAnyLengthAlignmentAndDivision) {
  std::string bytes;
  for (unsigned i = 0; i < 300; ++i) bytes += static_cast<char>(i * i * 31 >> 3 & 0xFF);
  for (std::size_t start = 0; start < 20; ++start) {
    for (std::size_t length = 0; start + length <= bytes.size(); length += 1 + length / 20) {
      const std::string_view part = std::string_view(bytes).substr(start, length);
      const std::uint32_t expected = by_definition(part);
      ASSERT_EQ(crc32(0, as_bytes(part)), expected) << start << ' ' << length;
      const std::size_t cut = length / 3;
      ASSERT_EQ(crc32(crc32(0, as_bytes(part.substr(0, cut))), as_bytes(part.substr(cut))), expected);
    }
  }
}

}  // namespace
}  // namespace torchferry
