#include <gtest/gtest.h>
#include <torchferry/error.h>

#include <functional>
#include <ostream>
#include <string>

#include "container/zip_archive.h"
#include "container/zip_builder.h"
#include "io/error_of.h"

namespace torchferry {
namespace {

using namespace std::string_literals;
using testing::error_of;
using testing::poke;
using testing::source_of;
using testing::ZipBuilder;
using testing::ZipEntry;
using testing::ZipLayout;

Error refusal(std::string bytes, const Limits& limits = {}) {
  return error_of([&] { ZipArchive::open(source_of(std::move(bytes)), limits); });
}

/// Expects that the archive is refused so, in a message that contains `words`.
void expect_refused(const Error& error, ErrorCode code, std::string_view words) {
  EXPECT_STREQ(name(error.code()), name(code)) << error.what();
  EXPECT_NE(std::string_view(error.what()).find(words), std::string_view::npos) << error.what();
  EXPECT_EQ(error.file(), "test.pt");
}

/// Three records, the last one deflated, and where their parts lie.
struct Good {
  Good() { bytes = builder.add("r/a", "aaaa").add("r/b", "bbbbbb").add_deflated("r/c", "cccccccc").bytes(); }
  const ZipLayout& at() const { return builder.layout(); }
  std::uint64_t header(std::size_t i) const { return at().headers[i]; }
  std::uint64_t listing(std::size_t i) const { return at().listings[i]; }

  ZipBuilder builder;
  std::string bytes;
};

TEST(ZipRefusal, StartsFromAGoodArchive) {
  const Good good;
  EXPECT_EQ(ZipArchive::open(source_of(good.bytes), {}).records().size(), 3U);
}

TEST(ZipRefusal, NotAnArchive) {
  for (const std::string& bytes : {""s, "PK\x03\x04"s, std::string(21, 'x'), std::string(200'000, 'x')}) {
    expect_refused(refusal(bytes), ErrorCode::corrupt, "no end of a zip archive is found");
  }
}

TEST(ZipRefusal, EmptyArchive) {
  ZipBuilder builder;
  expect_refused(refusal(builder.bytes()), ErrorCode::corrupt, "the archive is empty");
  expect_refused(refusal(builder.add("r/", "").add("r/f/", "").bytes()), ErrorCode::corrupt, "only folders");
}

/// A change of one number of the good archive, and the refusal that follows.
struct Lie {
  const char* what;
  std::function<std::uint64_t(const Good&)> at;
  std::uint64_t value;
  std::size_t size;
  ErrorCode code;
  const char* words;
  const char* record;  ///< that the error names
};

void PrintTo(const Lie& lie, std::ostream* out) { *out << lie.what; }

class ZipLie : public ::testing::TestWithParam<Lie> {};

TEST_P(ZipLie, IsRefused) {
  const Lie& lie = GetParam();
  Good good;
  poke(good.bytes, lie.at(good), lie.value, lie.size);
  const Error error = refusal(good.bytes);
  expect_refused(error, lie.code, lie.words);
  EXPECT_EQ(error.record(), lie.record);
  if (std::string_view(lie.record).empty() || !error.offset()) return;
  const bool local = error.message().find("local header lies)") != std::string::npos;
  const bool listed = error.message().find("the directory lists the record)") != std::string::npos;
  EXPECT_NE(local, listed) << error.what();
  const auto i = static_cast<std::size_t>(lie.record[2] == '\\' ? 1 : lie.record[2] - 'a');
  const bool moved = lie.at(good) == good.listing(i) + 42;
  EXPECT_EQ(*error.offset(), !local ? good.listing(i) : moved ? lie.value : good.header(i)) << error.what();
}

std::function<std::uint64_t(const Good&)> listing(std::size_t i, std::uint64_t field) {
  return [=](const Good& good) { return good.listing(i) + field; };
}
std::function<std::uint64_t(const Good&)> header(std::size_t i, std::uint64_t field) {
  return [=](const Good& good) { return good.header(i) + field; };
}
std::function<std::uint64_t(const Good&)> end64(std::uint64_t field) {
  return [=](const Good& good) { return good.at().end64 + field; };
}
std::function<std::uint64_t(const Good&)> locator(std::uint64_t field) {
  return [=](const Good& good) { return good.at().locator + field; };
}
std::function<std::uint64_t(const Good&)> end(std::uint64_t field) {
  return [=](const Good& good) { return good.at().end + field; };
}

constexpr ErrorCode kCorrupt = ErrorCode::corrupt;
constexpr ErrorCode kUnsupported = ErrorCode::unsupported;
constexpr std::uint64_t kAllOnes = ~std::uint64_t{0};

const Lie kLies[] = {
    {"ListingSignature", listing(1, 0), 0x02014B51, 4, kCorrupt, "no entry of the directory", ""},
    {"ListedEncryption", listing(1, 8), 0x0809, 2, kUnsupported, "encrypted", "r/b"},
    {"ListedStrongEncryption", listing(1, 8), 0x0848, 2, kUnsupported, "encrypted", "r/b"},
    {"ListedMaskedHeader", listing(1, 8), 0x2808, 2, kUnsupported, "encrypted", "r/b"},
    {"ListedPatch", listing(1, 8), 0x0828, 2, kUnsupported, "patch", "r/b"},
    {"ListedMethod", listing(1, 10), 93, 2, kUnsupported, "compression method 93", "r/b"},
    {"ListedDeflated", listing(1, 10), 8, 2, kCorrupt, "method differs", "r/b"},
    {"ListedStoredBytes", listing(1, 20), 5, 4, kCorrupt, "its two sizes differ", "r/b"},
    {"ListedSize", listing(1, 24), 7, 4, kCorrupt, "its two sizes differ", "r/b"},
    {"ListedStoredBytesOfDeflated", listing(2, 20), 0x7FFFFFFF, 4, kCorrupt, "does not lie before", "r/c"},
    {"ListedZip64Size", listing(1, 24), 0xFFFFFFFF, 4, kCorrupt, "zip64 field is missing", "r/b"},
    {"ListedZip64Stored", listing(1, 20), 0xFFFFFFFF, 4, kCorrupt, "zip64 field is missing", "r/b"},
    {"ListedZip64Offset", listing(1, 42), 0xFFFFFFFF, 4, kCorrupt, "zip64 field is missing", "r/b"},
    {"ListedZip64Disk", listing(1, 34), 0xFFFF, 2, kCorrupt, "zip64 field is missing", "r/b"},
    {"ListedDisk", listing(1, 34), 1, 2, kUnsupported, "another disk", "r/b"},
    {"ListedNoName", listing(1, 28), 0, 2, kCorrupt, "without a name", ""},
    {"ListedLongName", listing(1, 28), 0xFFFF, 2, kCorrupt, "passes the end of the directory", ""},
    {"ListedLongExtra", listing(2, 30), 1, 2, kCorrupt, "passes the end of the directory", ""},
    {"ListedLongComment", listing(2, 32), 1, 2, kCorrupt, "passes the end of the directory", ""},
    {"ListedNulInName", listing(1, 48), 0, 1, kCorrupt, "NUL", "r/\\x00"},
    {"ListedOtherRoot", listing(1, 46), 's', 1, kCorrupt, "not in a subdirectory r/: s/b", "s/b"},
    {"ListedOffsetOfAnother", listing(1, 42), 0, 4, kCorrupt, "overlaps", "r/b"},
    {"ListedOffsetBetween", listing(1, 42), 66, 4, kCorrupt, "overlaps", "r/b"},
    {"ListedOffsetOutside", listing(1, 42), 0xFFFFFFFE, 4, kCorrupt, "does not lie before the directory",
     "r/b"},
    {"LocalSignature", header(1, 0), 0x04034B51, 4, kCorrupt, "no local header", "r/b"},
    {"LocalEncryption", header(1, 6), 0x0809, 2, kUnsupported, "encrypted", "r/b"},
    {"LocalMethod", header(1, 8), 8, 2, kCorrupt, "method differs", "r/b"},
    {"LocalStoredBytes", header(1, 18), 5, 4, kCorrupt, "sizes differ", "r/b"},
    {"LocalSize", header(1, 22), 5, 4, kCorrupt, "sizes differ", "r/b"},
    {"LocalNoDescriptor", header(1, 6), 0x0800, 2, kCorrupt, "sizes differ", "r/b"},
    {"LocalCrc", header(1, 14), 5, 4, kCorrupt, "CRC-32 differs", "r/b"},
    {"LocalName", header(1, 32), 'c', 1, kCorrupt, "name (3 bytes, \"r/c\") differs", "r/b"},
    {"LocalNameCase", header(1, 32), 'B', 1, kCorrupt, "\"r/B\") differs", "r/b"},
    {"LocalShortName", header(1, 26), 2, 2, kCorrupt, "name (2 bytes, \"r/\") differs", "r/b"},
    {"LocalLongName", header(1, 26), 0xFFFF, 2, kCorrupt, "\"r/b\"...) differs", "r/b"},
    {"LocalLongExtra", header(2, 28), 0xFFFF, 2, kCorrupt, "pass into the directory", "r/c"},
    {"LocalExtraIntoNextRecord", header(1, 28), 60, 2, kCorrupt, "overlaps the one before it, \"r/b\"",
     "r/c"},
    {"End64Signature", end64(0), 0, 4, kCorrupt, "no zip64 end record", ""},
    {"End64Size", end64(4), 45, 8, kCorrupt, "no zip64 end record", ""},
    {"End64HugeSize", end64(4), kAllOnes, 8, kCorrupt, "no zip64 end record", ""},
    {"End64Disk", end64(16), 1, 4, kUnsupported, "several disks", ""},
    {"End64EntriesHere", end64(24), 2, 8, kUnsupported, "several disks", ""},
    {"End64Bytes", end64(40), 1, 8, kCorrupt, "contradicts", ""},
    {"End64Offset", end64(48), 1, 8, kCorrupt, "contradicts", ""},
    {"LocatorSignature", locator(0), 0, 4, kCorrupt, "does not end where its end record begins", ""},
    {"LocatorDisk", locator(4), 1, 4, kUnsupported, "several disks", ""},
    {"LocatorOffset", locator(8), 1, 8, kCorrupt, "no zip64 end record", ""},
    {"LocatorOffsetOutside", locator(8), kAllOnes, 8, kCorrupt, "points outside", ""},
    {"LocatorDisks", locator(16), 2, 4, kUnsupported, "several disks", ""},
    {"EndDisk", end(4), 1, 2, kCorrupt, "contradicts", ""},
    {"EndEntries", end(10), 2, 2, kCorrupt, "contradicts", ""},
    {"EndBytes", end(12), 1, 4, kCorrupt, "contradicts", ""},
    {"EndOffset", end(16), 1, 4, kCorrupt, "contradicts", ""},
    {"EndComment", end(20), 1, 2, kCorrupt, "comment is cut off", ""},
};

INSTANTIATE_TEST_SUITE_P(Fields, ZipLie, ::testing::ValuesIn(kLies),
                         [](const auto& parameter) { return std::string(parameter.param.what); });

void expect_count_refused(std::uint64_t count, std::string_view words) {
  Good good;
  for (const std::uint64_t field : {24U, 32U}) poke(good.bytes, good.at().end64 + field, count, 8);
  for (const std::uint64_t field : {8U, 10U}) poke(good.bytes, good.at().end + field, count, 2);
  expect_refused(refusal(good.bytes), ErrorCode::corrupt, words);
}

TEST(ZipRefusal, EntryCountThatDiffersFromTheDirectory) {
  expect_count_refused(0, "the archive is empty");
  expect_count_refused(1, "goes on after the last");
  expect_count_refused(2, "goes on after the last");
  expect_count_refused(4, "too short for its 4 entries");
}

TEST(ZipRefusal, EntryCountThatOnlyTheDirectorysLengthAllows) {
  ZipBuilder builder;
  std::string bytes = builder.add("r/" + std::string(100, 'n'), "x").bytes();
  for (const std::uint64_t field : {24U, 32U}) poke(bytes, builder.layout().end64 + field, 2, 8);
  for (const std::uint64_t field : {8U, 10U}) poke(bytes, builder.layout().end + field, 2, 2);
  expect_refused(refusal(bytes), ErrorCode::corrupt, "ends before the last of its entries");
}

TEST(ZipRefusal, DuplicateNames) {
  const Error twice = refusal(ZipBuilder().add("r/data/0", "a").add("r/x", "x").add("r/data/0", "b").bytes());
  expect_refused(twice, ErrorCode::corrupt, "listed twice");
  EXPECT_EQ(twice.record(), "r/data/0");
  expect_refused(refusal(ZipBuilder().add("r/data.pkl", "a").add("r/DATA.pkl", "b").bytes()),
                 ErrorCode::corrupt, "differs from that of \"r/data.pkl\" only in case");
  expect_refused(refusal(ZipBuilder().add("r/x", "").add("r/d/", "").add("r/D/", "").bytes()),
                 ErrorCode::corrupt, "only in case");
}

TEST(ZipRefusal, ButNotNamesThatDifferInMoreThanCase) {
  const std::string names[] = {"@",          "`",  "[",  "{",  "k", "\xC3\x89",
                               "\xC3\xA9", "K1", "k2", "long-enough-to-hash-1", "Long-enough-to-hash-2"};
  ZipBuilder builder;
  for (const std::string& name : names) builder.add("r/" + name, "");
  EXPECT_EQ(ZipArchive::open(builder.source(), {}).records().size(), std::size(names));
}

TEST(ZipRefusal, EveryWordOfALongNameCountsForDuplicates) {
  const std::string base(70, 'q');
  ZipBuilder builder;
  builder.add("r/" + base, "");
  for (std::size_t i = 0; i < base.size(); ++i) {
    std::string name = base;
    name[i] = 'Z';
    builder.add("r/" + name, "");
  }
  EXPECT_EQ(ZipArchive::open(builder.source(), {}).records().size(), 71U);
  for (std::size_t i = 0; i < base.size(); i += 23) {
    std::string name = base;
    name[i] = 'Q';
    expect_refused(refusal(ZipBuilder(builder).add("r/" + name, "").bytes()), ErrorCode::corrupt,
                   "only in case");
  }
}

TEST(ZipRefusal, RecordsOutsideTheRoot) {
  expect_refused(refusal(ZipBuilder().add("data.pkl", "").bytes()), ErrorCode::corrupt,
                 "file in archive is not in a subdirectory: data.pkl");
  expect_refused(refusal(ZipBuilder().add("/data.pkl", "").bytes()), ErrorCode::corrupt,
                 "not in a subdirectory");
  for (const char* name : {"__MACOSX/x", "r", "rr/x", "R/x", "x"}) {
    expect_refused(refusal(ZipBuilder().add("r/data.pkl", "").add(name, "").bytes()), ErrorCode::corrupt,
                   "file in archive is not in a subdirectory r/: " + std::string(name));
  }
}

TEST(ZipRefusal, FoldersWithContent) {
  const Error error = refusal(ZipBuilder().add("r/a", "").add("r/folder/", "content").bytes());
  expect_refused(error, ErrorCode::corrupt, "a folder's name but content");
  EXPECT_EQ(error.record(), "r/folder/");
}

TEST(ZipRefusal, WrongLocalNames) {
  const Error error = refusal(
      ZipBuilder().add("r/x", "x").add({.name = "r/a", .payload = "p", .local_name = "r/other"}).bytes());
  expect_refused(error, ErrorCode::corrupt, "the local header's name (7 bytes, \"r/o\"...) differs");
  EXPECT_EQ(error.record(), "r/a");
}

TEST(ZipRefusal, BytesBeforeTheArchive) {
  const Good good;
  for (const std::string& junk : {"j"s, "PK\x03\x04"s, std::string(100'000, 'j')}) {
    EXPECT_EQ(refusal(junk + good.bytes).code(), ErrorCode::corrupt);
  }
  ZipBuilder classic;
  classic.zip64_end = false;
  expect_refused(refusal("j" + classic.add("r/a", "x").bytes()), ErrorCode::corrupt,
                 "were put before the archive");
}

TEST(ZipRefusal, ASecondEndRecordIsTheOneThatCounts) {
  Good good;
  expect_refused(refusal(good.bytes + "PK\x05\x06"s + std::string(18, '\0')), ErrorCode::corrupt,
                 "does not end where");
  EXPECT_EQ(ZipArchive::open(source_of(good.bytes + "PK\x05\x06"s), {}).records().size(), 3U)
      << "a signature with less than a record after it is no end record";
}

TEST(ZipRefusal, Zip64FieldsThatAreNotOnesOwn) {
  const auto with_extra = [](std::string extra, std::uint64_t size_field) {
    ZipBuilder builder;
    std::string bytes = builder.add("r/a", "aaaa").bytes();
    const ZipLayout& at = builder.layout();
    poke(bytes, at.listings[0] + 24, size_field, 4);
    poke(bytes, at.listings[0] + 30, extra.size(), 2);
    poke(bytes, at.end64 + 40, at.end64 - at.directory + extra.size(), 8);
    poke(bytes, at.end + 12, at.end64 - at.directory + extra.size(), 4);
    poke(bytes, at.locator + 8, at.end64 + extra.size(), 8);
    bytes.insert(static_cast<std::size_t>(at.end64), extra);
    return bytes;
  };
  const auto opens = [&](const std::string& extra, std::uint64_t size_field) {
    return ZipArchive::open(source_of(with_extra(extra, size_field)), {}).records()[0].size == 4;
  };
  const std::string four = "\x04\0\0\0\0\0\0\0"s;
  EXPECT_TRUE(opens("\x01\0\x08\0"s + four, 0xFFFFFFFF));
  EXPECT_TRUE(opens("\x01\0\x08\0"s + "********", 4)) << "not asked for";
  EXPECT_TRUE(opens("UT\x01\0*\x01\0\x10\0"s + four + "********", 0xFFFFFFFF))
      << "longer, after another field";
  EXPECT_TRUE(opens("\0\0\0"s, 4)) << "less than a field, as some tools pad with";
  const auto refused = [&](const std::string& extra, const char* words) {
    const Error error = refusal(with_extra(extra, 0xFFFFFFFF));
    expect_refused(error, ErrorCode::corrupt, words);
    EXPECT_EQ(error.record(), "r/a");
  };
  refused("\x01\0\x08\0\x05\0\0\0\0\0\0\0"s, "its two sizes differ");
  refused("\x01\0\x07\0"s + four.substr(0, 7), "too short");
  refused("\x01\0\x08\0"s + four.substr(0, 7), "cut off");
  refused("\x01\0\x08\0"s + four + "\x01\0\x08\0"s + four, "two zip64 fields");
  refused("UT\xFF\xFF*"s, "cut off");
}

TEST(ZipRefusal, MoreThanTheLimits) {
  const Good good;
  const auto with = [&](auto set) {
    Limits limits;
    set(limits);
    return refusal(good.bytes, limits);
  };
  expect_refused(with([](Limits& l) { l.records = 2; }), ErrorCode::limit_exceeded, "the limit records = 2");
  expect_refused(with([](Limits& l) { l.directory_bytes = 146; }), ErrorCode::limit_exceeded,
                 "the limit directory_bytes = 146");
  expect_refused(with([](Limits& l) { l.inflated_bytes = 7; }), ErrorCode::limit_exceeded,
                 "the limit inflated_bytes = 7");
  expect_refused(with([](Limits& l) { l.inflate_ratio = 0; }), ErrorCode::limit_exceeded,
                 "the limit inflate_ratio = 0");
  Limits exact;
  exact.records = 3;
  exact.directory_bytes = 3 * 49;
  exact.inflated_bytes = 8;
  exact.inflate_ratio = 1;
  EXPECT_EQ(ZipArchive::open(source_of(good.bytes), exact).records().size(), 3U);
}

TEST(ZipRefusal, InflationBombs) {
  const auto bomb = [](std::uint64_t size) {
    return ZipEntry{.name = "r/bomb" + std::to_string(size),
                    .payload = std::string(1'000, '\0'),
                    .method = 8,
                    .size = size};
  };
  const Error ratio = refusal(ZipBuilder().add("r/a", "").add(bomb(1'100'001)).bytes());
  expect_refused(ratio, ErrorCode::limit_exceeded, "1000 deflated bytes claim to give 1100001");
  EXPECT_EQ(ratio.record(), "r/bomb1100001");
  expect_refused(refusal(ZipBuilder().add(bomb(~std::uint64_t{0} - 1)).bytes()), ErrorCode::limit_exceeded,
                 "inflate_ratio");
  Limits limits;
  limits.inflated_bytes = 2'000'000;
  expect_refused(refusal(ZipBuilder().add(bomb(1'000'000)).add(bomb(1'000'001)).bytes(), limits),
                 ErrorCode::limit_exceeded, "inflated_bytes = 2000000");
  limits.inflate_ratio = 0xFFFFFFFF;
  limits.inflated_bytes = ~std::uint64_t{0};
  const ZipArchive most = ZipArchive::open(ZipBuilder().add(bomb(std::uint64_t{1} << 40)).source(), limits);
  EXPECT_EQ(error_of([&] { most.read(0, 1'000, "pickle_bytes", false); }).code(), ErrorCode::limit_exceeded);
}

TEST(ZipRefusal, MessagesShowControlCharactersEscapedAndLongNamesCut) {
  const Error escaped = refusal(ZipBuilder().add("r/a", "").add("bad\n\x1B[31m\"\\", "").bytes());
  EXPECT_EQ(escaped.record(), "bad\\x0a\\x1b[31m\\x22\\x5c");
  EXPECT_EQ(std::string_view(escaped.what()).find('\n'), std::string_view::npos);
  const Error cut = refusal(ZipBuilder().add("r/a", "").add(std::string(5'000, 'n'), "").bytes());
  EXPECT_EQ(cut.record(), std::string(200, 'n') + "... (5000 bytes)");
}

}  // namespace
}  // namespace torchferry
