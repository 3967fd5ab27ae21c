#include "container/zip_archive.h"

#include <gtest/gtest.h>
#include <torchferry/error.h>

#include <string>
#include <thread>
#include <vector>

#include "container/deflate_samples.h"
#include "container/zip_builder.h"
#include "io/error_of.h"

namespace torchferry {
namespace {

using namespace std::string_literals;
using testing::as_bytes;
using testing::error_of;
using testing::expect_error;
using testing::poke;
using testing::source_of;
using testing::TempDirectory;
using testing::ZipBuilder;
using testing::ZipEntry;

constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};

ZipArchive open(std::string bytes, const Limits& limits = {}) {
  return ZipArchive::open(source_of(std::move(bytes)), limits);
}

std::string text_of(const ZipArchive& archive, std::string_view name) {
  const auto record = archive.find(name);
  if (!record) return "(no such record)";
  const auto bytes = archive.read(*record, kNoLimit, "test", true);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// What torch.save({'a': torch.arange(3.)}, BytesIO()) of PyTorch 2.13 writes, 1,577 bytes.
std::string golden_archive() {
  const std::string pickle =
      "\x80\x02}q\x00X\x01\x00\x00\x00"
      "aq\x01"
      "ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\x00\x00\x00storageq\x03"
      "ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x00"
      "0q\x05X\x03\x00\x00\x00"
      "cpuq\x06K\x03tq\x07QK\x00K\x03\x85q\x08"
      "K\x01\x85q\x09\x89"
      "ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0ds."s;
  return ZipBuilder()
      .add("archive/data.pkl", pickle)
      .add("archive/.format_version", "1")
      .add("archive/.storage_alignment", "64")
      .add("archive/byteorder", "little")
      .add("archive/data/0", "\x00\x00\x00\x00\x00\x00\x80\x3F\x00\x00\x00\x40"s)
      .add("archive/version", "3\n")
      .add("archive/.data/serialization_id", "1572819951185464302605161137344186704010")
      .bytes();
}

TEST(ZipArchive, ReadsThePyTorchExample) {
  const std::string bytes = golden_archive();
  ASSERT_EQ(bytes.size(), 1'577U);
  ASSERT_EQ(crc32(0, as_bytes(bytes)), 0x17E9C4DAU) << "the builder no longer writes PyTorch's bytes";

  const ZipArchive archive = open(bytes);
  EXPECT_EQ(archive.root(), "archive");
  struct Expected {
    const char* name;
    std::uint64_t offset, size;
    std::uint32_t crc;
  };
  const Expected expected[] = {{"archive/data.pkl", 64, 162, 0x72F6C675},
                               {"archive/.format_version", 320, 1, 0x83DCEFB7},
                               {"archive/.storage_alignment", 448, 2, 0xE971773F},
                               {"archive/byteorder", 576, 6, 0x19E33D85},
                               {"archive/data/0", 704, 12, 0x30C8BC70},
                               {"archive/version", 832, 2, 0x55679ED1},
                               {"archive/.data/serialization_id", 960, 40, 0xD86DBFED}};
  ASSERT_EQ(archive.records().size(), std::size(expected));
  for (std::uint32_t i = 0; i < std::size(expected); ++i) {
    const Record& record = archive.records()[i];
    EXPECT_EQ(record.name, expected[i].name);
    EXPECT_EQ(record.offset, expected[i].offset);
    EXPECT_EQ(record.size, expected[i].size);
    EXPECT_EQ(record.stored_bytes, expected[i].size);
    EXPECT_EQ(record.crc32, expected[i].crc);
    EXPECT_FALSE(record.deflated);
    EXPECT_EQ(archive.find(record.name.substr(8)), i);
  }
  EXPECT_EQ(text_of(archive, "byteorder"), "little");
  EXPECT_EQ(text_of(archive, "data/0"), "\x00\x00\x00\x00\x00\x00\x80\x3F\x00\x00\x00\x40"s);
}

TEST(ZipArchive, FindsByExactNameOnly) {
  const ZipArchive archive =
      open(ZipBuilder().add("r/data.pkl", "p").add("r/data/0", "0").add("r/x", "").bytes());
  EXPECT_EQ(archive.find("data.pkl"), 0U);
  EXPECT_EQ(archive.find("data/0"), 1U);
  for (const char* name : {"DATA.PKL", "Data.pkl", "data.pk", "data.pklx", "r/data.pkl", "", "/", "data",
                           "data/", "data/1", "../r/data.pkl", "data\\0", "data.pkl "}) {
    EXPECT_EQ(archive.find(name), std::nullopt) << name;
  }
  EXPECT_EQ(archive.find("data.pkl\0"s), std::nullopt);
}

TEST(ZipArchive, FindsNamesOfEveryLength) {
  ZipBuilder builder;
  std::vector<std::string> names;
  for (std::size_t length = 1; length <= 80; ++length) {
    names.push_back(std::string(length - 1, 'n') + static_cast<char>('0' + length % 10));
    builder.add("r/" + names.back(), "");
  }
  names.push_back(std::string(65'533, 'L'));
  builder.add("r/" + names.back(), "long");
  const ZipArchive archive = open(builder.bytes());
  for (std::uint32_t i = 0; i < names.size(); ++i) EXPECT_EQ(archive.find(names[i]), i);
  EXPECT_EQ(text_of(archive, names.back()), "long");
}

TEST(ZipArchive, TakesNamesAsBytes) {
  const std::string names[] = {"вес",        "重み", "\U0001F680", "caf\xE9", "\xFF",
                               "blank name", "\n",   "a/./../b",   "\\",      "a//b"};
  ZipBuilder builder;
  for (const std::string& name : names) builder.add("модель/" + name, name);
  const ZipArchive archive = open(builder.bytes());
  EXPECT_EQ(archive.root(), "модель");
  for (const std::string& name : names) EXPECT_EQ(text_of(archive, name), name);
}

TEST(ZipArchive, TakesEmptyRecordsWithoutDescriptor) {
  ZipBuilder builder;
  const std::string bytes = builder.add("r/a", "").add("r/b", "").add("r/c", "c").bytes();
  EXPECT_EQ(builder.layout().headers[1], builder.layout().payloads[0]);
  const ZipArchive archive = open(bytes);
  EXPECT_EQ(text_of(archive, "a"), "");
  EXPECT_EQ(text_of(archive, "c"), "c");
  EXPECT_EQ(archive.records()[1].size, 0U);
}

TEST(ZipArchive, ReadsArchivesOfOtherTools) {
  ZipBuilder builder;
  builder.zip64_end = false;
  builder.descriptor_flag = 0;
  builder.alignment = 1;
  builder.comment = "made by hand";
  builder.add("net/", "")
      .add("net/data.pkl", "abc")
      .add("net/data/", "")
      .add_deflated("net/data/0", "deflated");
  const ZipArchive archive = open(builder.bytes());
  ASSERT_EQ(archive.records().size(), 2U) << "folders are left out";
  EXPECT_EQ(archive.records()[0].offset, 76U) << "payloads may lie anywhere";
  EXPECT_EQ(text_of(archive, "data.pkl"), "abc");
  EXPECT_EQ(text_of(archive, "data/0"), "deflated");
  EXPECT_TRUE(archive.records()[1].deflated);
  EXPECT_EQ(archive.records()[1].stored_bytes, 13U);
  EXPECT_EQ(archive.records()[1].size, 8U);
  EXPECT_EQ(archive.find("data/"), std::nullopt);
  EXPECT_EQ(archive.find(""), std::nullopt);
}

TEST(ZipArchive, TakesSizesInLocalHeadersBesideADescriptor) {
  ZipBuilder builder;
  std::string bytes = builder.add("r/a", "payload").bytes();
  const std::uint64_t header = builder.layout().headers[0];
  poke(bytes, header + 14, crc32(0, as_bytes("payload")), 4);
  poke(bytes, header + 18, 7, 4);
  poke(bytes, header + 22, 0xFFFFFFFF, 4);
  EXPECT_EQ(text_of(open(bytes), "a"), "payload");
}

TEST(ZipArchive, TakesBytesAfterTheEnd) {
  ZipBuilder builder;
  builder.add("r/a", "x");
  for (const std::size_t size : {1U, 21U, 22U, 1'000U, 65'535U}) {
    builder.trailing = std::string(size, 'J');
    EXPECT_EQ(text_of(open(builder.bytes()), "a"), "x");
  }
  builder.trailing = std::string(65'536, 'J');
  expect_error(ErrorCode::corrupt, "no end of a zip archive", [&] { open(builder.bytes()); });
}

TEST(ZipArchive, TakesALongerZip64EndRecord) {
  ZipBuilder builder;
  std::string bytes = builder.add("r/a", "payload").bytes();
  const auto& layout = builder.layout();
  // An "extensible data sector" so large that the record begins before the part of the file that is read
  // first.
  const std::string sector(70'000, 'S');
  poke(bytes, layout.end64 + 4, 44 + sector.size(), 8);
  bytes.insert(static_cast<std::size_t>(layout.locator), sector);
  EXPECT_EQ(text_of(open(bytes), "a"), "payload");
}

TEST(ZipArchive, TakesRecordsListedInAnyOrder) {
  ZipBuilder builder;
  std::string bytes = builder.add("r/first", "1").add("r/second", "22").add("r/third", "333").bytes();
  const auto& layout = builder.layout();
  const auto listing = [&](std::size_t i) {
    const std::uint64_t end = i + 1 < layout.listings.size() ? layout.listings[i + 1] : layout.end64;
    return bytes.substr(static_cast<std::size_t>(layout.listings[i]),
                        static_cast<std::size_t>(end - layout.listings[i]));
  };
  const std::string reordered = listing(2) + listing(0) + listing(1);
  bytes.replace(static_cast<std::size_t>(layout.directory), reordered.size(), reordered);
  const ZipArchive archive = open(bytes);
  EXPECT_EQ(archive.records()[0].name, "r/third");
  EXPECT_EQ(archive.records()[0].offset, layout.payloads[2]);
  EXPECT_EQ(text_of(archive, "first"), "1");
  EXPECT_EQ(text_of(archive, "second"), "22");
  EXPECT_EQ(text_of(archive, "third"), "333");
}

TEST(ZipArchive, InflatesWhatZlibDeflated) {
  ZipBuilder builder;
  for (const auto& sample : testing::deflate_samples()) {
    builder.add(ZipEntry{.name = "r/" + std::string(sample.name),
                         .payload = sample.stream,
                         .method = 8,
                         .size = sample.content.size(),
                         .crc = crc32(0, as_bytes(sample.content))});
  }
  const ZipArchive archive = open(builder.bytes());
  for (const auto& sample : testing::deflate_samples()) {
    EXPECT_EQ(text_of(archive, sample.name), sample.content);
  }
}

TEST(ZipArchive, ChecksTheChecksumOnlyWhenAskedAndWhenThereIsOne) {
  const ZipArchive archive = open(ZipBuilder()
                                      .add({.name = "r/wrong", .payload = "stored", .crc = 0x12345678})
                                      .add({.name = "r/none", .payload = "stored", .crc = 0})
                                      .bytes());
  std::string out(6, '?');
  archive.read_into(0, std::as_writable_bytes(std::span(out)), false);
  EXPECT_EQ(out, "stored");
  EXPECT_EQ(text_of(archive, "none"), "stored");
  const Error error = error_of([&] { archive.read(0, kNoLimit, "test", true); });
  EXPECT_EQ(error.code(), ErrorCode::corrupt);
  EXPECT_EQ(error.record(), "r/wrong");
  EXPECT_NE(error.message().find("should be 0x12345678"), std::string::npos) << error.what();
}

TEST(ZipArchive, BoundsWhatReadAllocates) {
  const ZipArchive archive =
      open(ZipBuilder().add("r/a", "0123456789").add_deflated("r/b", "0123456789").bytes());
  for (const std::uint32_t record : {0U, 1U}) {
    EXPECT_EQ(archive.read(record, 10, "pickle_bytes", true).size(), 10U);
    const Error error = error_of([&] { archive.read(record, 9, "pickle_bytes", true); });
    EXPECT_EQ(error.code(), ErrorCode::limit_exceeded);
    EXPECT_EQ(error.record(), archive.records()[record].name);
    EXPECT_NE(error.message().find("pickle_bytes = 9"), std::string::npos) << error.what();
  }
}

TEST(ZipArchive, RefusesWrongArguments) {
  const ZipArchive archive = open(ZipBuilder().add("r/a", "0123456789").bytes());
  std::vector<std::byte> out(11);
  expect_error(ErrorCode::invalid_argument, "the buffer 11", [&] { archive.read_into(0, out, false); });
  expect_error(ErrorCode::invalid_argument, "record number 1", [&] { archive.read(1, 10, "test", false); });
}

TEST(ZipArchive, NamesTheRecordAndTheByteOfABrokenDeflateStream) {
  const ZipArchive archive = open(ZipBuilder()
                                      .add({.name = "r/a",
                                            .payload = "\x01\x02\x00\xFD\xFF"
                                                       "abXX"s,
                                            .method = 8,
                                            .size = 2})
                                      .bytes());
  const Error error = error_of([&] { archive.read(0, kNoLimit, "test", false); });
  EXPECT_EQ(error.code(), ErrorCode::corrupt);
  EXPECT_EQ(error.file(), "test.pt");
  EXPECT_EQ(error.record(), "r/a");
  EXPECT_EQ(error.offset(), 7U);
}

TEST(ZipArchive, IsReadByManyThreadsAndOutlivesItsCopies) {
  auto first = std::make_unique<ZipArchive>(open(golden_archive()));
  const ZipArchive archive = *first;
  first.reset();
  std::vector<std::thread> threads;
  std::vector<int> good(4, 0);
  for (std::size_t t = 0; t < good.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) good[t] += text_of(archive, "byteorder") == "little";
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, std::vector<int>(4, 200));
}

TEST(ZipArchive, NoticesAFileThatBecameShorter) {
  const TempDirectory directory;
  const auto path = testing::write_file(directory / "golden.pt", golden_archive());
  const auto source = open_file(path);
  const ZipArchive archive = ZipArchive::open(source, {});
  std::filesystem::resize_file(path, 600);
  expect_error(ErrorCode::io, "has become shorter", [&] { archive.read(4, kNoLimit, "test", true); });
  expect_error(ErrorCode::io, "has become shorter", [&] { ZipArchive::open(source, {}); });
}

}  // namespace
}  // namespace torchferry
