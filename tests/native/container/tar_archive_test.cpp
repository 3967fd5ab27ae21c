#include "container/tar_archive.h"

#include <gtest/gtest.h>

#include "container/tar_builder.h"
#include "container/zip_builder.h"
#include "io/error_of.h"

namespace torchferry::testing {
namespace {

std::vector<TarMember> members_of(const std::string& bytes, const Limits& limits = {}) {
  return read_tar_directory(*source_of(bytes, "test.tar"), limits);
}

const std::string kTwo = tar_member("a", "first") + tar_member("b", std::string(600, 'x'));

void expect_refused(ErrorCode code, const char* words, const std::string& bytes, const Limits& limits = {}) {
  expect_error(code, words, [&] { members_of(bytes, limits); });
}

TEST(TarArchive, FindsTheContentOfEachMember) {
  for (const std::string& end : {tar_end(), std::string(512, '\0'), std::string(9728, '\0')}) {
    const auto members = members_of(kTwo + end);
    ASSERT_EQ(members.size(), 2u);
    EXPECT_EQ(members[0].name, "a");
    EXPECT_EQ(members[0].offset, 512u);
    EXPECT_EQ(members[0].size, 5u);
    EXPECT_EQ(members[1].name, "b");
    EXPECT_EQ(members[1].offset, 1536u);
    EXPECT_EQ(members[1].size, 600u);
  }
  EXPECT_TRUE(members_of(tar_end()).empty());
}

TEST(TarArchive, PassesOverTimesAndOwnersOfExtendedHeaders) {
  const std::string times = pax_line("mtime", "1483228800.25") + pax_line("uname", "née") + pax_line("comment", "");
  const auto members = members_of(tar_member("./PaxHeaders/a", times, 'x') + kTwo + tar_end());
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[0].offset, 3 * 512u);
}

TEST(TarArchive, TakesASizeBeyondTheFieldFromTheExtendedHeader) {
  std::string member = tar_member("a", "first");
  put_octal(member, 124, 12, 0);
  seal_tar_header(member);
  const auto members = members_of(tar_member("x", pax_line("size", "5"), 'x') + member + tar_member("b", "") + tar_end());
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[0].size, 5u);
  EXPECT_EQ(members[1].size, 0u);
  expect_refused(ErrorCode::corrupt, "differs", tar_member("x", pax_line("size", "6"), 'x') + kTwo + tar_end());
}

TEST(TarArchive, RefusesExtendedHeadersThatChangeMore) {
  const auto extended = [](const std::string& lines) { return tar_member("x", lines, 'x') + kTwo + tar_end(); };
  for (const char* key : {"path", "linkpath", "GNU.sparse.major", "GNU.sparse.realsize", "hdrcharset", "SCHILY.xattr.a"}) {
    expect_refused(ErrorCode::unsupported, key, extended(pax_line(key, "1")));
  }
  expect_refused(ErrorCode::unsupported, "'size'", extended(pax_line("size", "-5")));
  expect_refused(ErrorCode::unsupported, "'size'", extended(pax_line("size", "5") + pax_line("size", "5")));
  expect_refused(ErrorCode::corrupt, "lines with their lengths", extended("7 mtime=1\n"));
  expect_refused(ErrorCode::corrupt, "lines with their lengths", extended("999 mtime=1\n"));
  expect_refused(ErrorCode::corrupt, "lines with their lengths", extended("0 mtime=1\n"));
  expect_refused(ErrorCode::corrupt, "lines with their lengths", extended("mtime=1\n"));
  const std::string times = tar_member("x", pax_line("mtime", "1"), 'x');
  expect_refused(ErrorCode::corrupt, "two extended headers", times + times + kTwo + tar_end());
  expect_refused(ErrorCode::corrupt, "without a member", kTwo + times + tar_end());
}

TEST(TarArchive, RefusesMembersThatAreNoRegularFiles) {
  const std::pair<char, const char*> kinds[] = {{'1', "a link"},        {'2', "a link"},     {'3', "a device"},
                                                {'5', "a folder"},      {'S', "sparse"},     {'L', "long name"},
                                                {'g', "extended header"}, {'7', "unknown type"}};
  for (const auto& [type, words] : kinds) {
    expect_refused(ErrorCode::unsupported, words, kTwo + tar_member("c", "", type) + tar_end());
  }
  std::string linked = tar_member("a", "");
  linked.replace(157, 4, "/etc");
  seal_tar_header(linked);
  expect_refused(ErrorCode::unsupported, "link's target", linked + tar_end());
}

TEST(TarArchive, RefusesWhatTwoReadersCouldReadDifferently) {
  expect_refused(ErrorCode::corrupt, "twice", kTwo + tar_member("a", "") + tar_end());
  expect_refused(ErrorCode::corrupt, "twice", kTwo + tar_member("A", "") + tar_end());
  expect_refused(ErrorCode::corrupt, "follows the archive's end mark", kTwo + tar_end() + kTwo + tar_end());
  std::string changed = kTwo + tar_end();
  changed[1] = 'x';
  expect_refused(ErrorCode::corrupt, "checksum", changed);
  std::string nameless = kTwo + tar_end();
  nameless.replace(512 + 512 + 257, 5, "xxxxx");
  expect_refused(ErrorCode::corrupt, "no tar header", nameless);
}

TEST(TarArchive, RefusesSizesThatPassTheEnd) {
  expect_refused(ErrorCode::corrupt, "passes the end of the file", tar_header("a", 1025) + tar_end());
  expect_refused(ErrorCode::corrupt, "passes the end of the file", tar_header("a", 077777777777) + tar_end());
  expect_refused(ErrorCode::corrupt, "cut", kTwo);
  std::string binary = tar_header("a", 5);
  binary.replace(124, 12, "\x80\0\0\0\0\0\0\0\0\0\0\5", 12);
  seal_tar_header(binary);
  expect_refused(ErrorCode::unsupported, "octal", binary + tar_end());
  for (std::size_t size = 0; size < kTwo.size(); ++size) {
    expect_refused(ErrorCode::corrupt, "", kTwo.substr(0, size));
  }
}

TEST(TarArchive, NamesTheLimit) {
  Limits limits;
  limits.records = 1;
  expect_refused(ErrorCode::limit_exceeded, "records = 1", kTwo + tar_end(), limits);
  limits = {};
  limits.directory_bytes = 10;
  expect_refused(ErrorCode::limit_exceeded, "directory_bytes = 10",
                 tar_member("x", pax_line("mtime", "1"), 'x') + kTwo + tar_end(), limits);
}

}  // namespace
}  // namespace torchferry::testing
