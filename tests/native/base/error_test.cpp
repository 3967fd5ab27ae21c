#include <torchferry/error.h>

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace torchferry::testing {
namespace {

TEST(Error, SaysWhereAndWhatAsFarAsItIsKnown) {
  EXPECT_STREQ(Error(ErrorCode::corrupt, "bad").what(), "bad");
  EXPECT_STREQ(Error(ErrorCode::corrupt, "a.pt", "", {}, "bad").what(), "a.pt: bad");
  EXPECT_STREQ(Error(ErrorCode::corrupt, "a.pt", "data.pkl", {}, "bad").what(), "a.pt: record data.pkl: bad");
  EXPECT_STREQ(Error(ErrorCode::corrupt, "a.pt", "data.pkl", 7, "bad").what(),
               "a.pt: record data.pkl, byte 7: bad");
  EXPECT_STREQ(Error(ErrorCode::corrupt, "a.pt", "", 7, "bad").what(), "a.pt: byte 7: bad");
  EXPECT_STREQ(Error(ErrorCode::corrupt, "", "data.pkl", 7, "bad").what(), "record data.pkl, byte 7: bad");
  EXPECT_STREQ(Error(ErrorCode::corrupt, "", "", 7, "bad").what(), "byte 7: bad");
}

TEST(Error, KeepsItsParts) {
  const Error error(ErrorCode::unsupported, "a.pt", "data.pkl", 7, "bad");
  EXPECT_EQ(error.code(), ErrorCode::unsupported);
  EXPECT_EQ(error.file(), "a.pt");
  EXPECT_EQ(error.record(), "data.pkl");
  EXPECT_EQ(error.offset(), 7u);
  EXPECT_EQ(error.message(), "bad");
  EXPECT_EQ(Error(ErrorCode::io, "bad").offset(), std::nullopt);
}

TEST(Error, TakesThePlacesThatItLacks) {
  const Error error(ErrorCode::corrupt, "", "", 7, "bad");
  EXPECT_STREQ(error.in("a.pt").what(), "a.pt: byte 7: bad");
  EXPECT_STREQ(error.in("a.pt", "data.pkl").what(), "a.pt: record data.pkl, byte 7: bad");
  EXPECT_EQ(error.in("a.pt").code(), ErrorCode::corrupt);
}

TEST(Error, KeepsThePlacesThatItHas) {
  const Error error(ErrorCode::corrupt, "inner.pt", "data.pkl", {}, "bad");
  EXPECT_STREQ(error.in("outer", "blob").what(), "inner.pt: record data.pkl: bad");
}

TEST(Error, ControlCharactersOfNamesAreEscaped) {
  const std::string file = "a\x1b[2J\n.pt", record = std::string("r\0\x7f", 3), message = "key 'x\r\ny\xc2\x9b' – é";
  const Error error(ErrorCode::corrupt, file, record, 7, message);
  EXPECT_STREQ(error.what(), "a\\x1b[2J\\x0a.pt: record r\\x00\\x7f, byte 7: key 'x\\x0d\\x0ay\\x9b' – é");
  EXPECT_EQ(error.file(), file);
  EXPECT_EQ(error.record(), record);
  EXPECT_EQ(error.message(), message);
  EXPECT_STREQ(error.in("other").what(), error.what());
  EXPECT_STREQ(Error(ErrorCode::incompatible_keys, "Error(s):\n\tMissing\x1b").what(), "Error(s):\n\tMissing\\x1b");
  EXPECT_STREQ(Error(ErrorCode::corrupt, "ends with \xc2").what(), "ends with \xc2");
}

TEST(Error, EveryCodeHasAName) {
  std::set<std::string> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::cancelled); ++code) {
    names.insert(name(static_cast<ErrorCode>(code)));
  }
  EXPECT_EQ(names.size(), 10u);
  EXPECT_EQ(names.count("unknown"), 0u);
  EXPECT_EQ(names.count("limit_exceeded"), 1u);
}

}  // namespace
}  // namespace torchferry::testing
