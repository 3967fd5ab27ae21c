#include "container/zip_writer.h"

#include <gtest/gtest.h>
#include <torchferry/error.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "container/zip_archive.h"
#include "container/zip_builder.h"
#include "io/error_of.h"

namespace torchferry {
namespace {

using namespace std::string_literals;
using testing::as_bytes;
using testing::expect_error;
using testing::source_of;
using testing::TempDirectory;
using testing::ZipBuilder;

constexpr std::uint64_t kFourGiB = std::uint64_t{1} << 32;

class TextSink final : public ByteSink {
 public:
  void write(std::span<const std::byte> bytes) override {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  std::string text;
};

/// Writes a file in which long runs of zeros are holes.
class SparseSink final : public ByteSink {
 public:
  explicit SparseSink(const std::filesystem::path& path) : path_(path) { testing::write_file(path, ""); }
  void write(std::span<const std::byte> bytes) override {
    const bool zeros = std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
    if (bytes.size() < kHole || !zeros) {
      testing::write_at(path_, size, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
    size += bytes.size();
  }
  std::uint64_t size = 0;

 private:
  static constexpr std::size_t kHole = 65'536;
  const std::filesystem::path path_;
};

struct Record {
  std::string name;
  std::string payload;
};

std::string written(const std::vector<Record>& records, const std::string& root = "archive",
                    const ZipWriterOptions& options = {}) {
  TextSink sink;
  ZipWriter writer(sink, root, options);
  for (const Record& record : records) writer.add(record.name, record.payload);
  writer.finish();
  return sink.text;
}

std::string text_of(const ZipArchive& archive, std::string_view name) {
  const auto record = archive.find(name);
  if (!record) return "(no such record)";
  const auto bytes = archive.read(*record, ~std::uint64_t{0}, "test", true);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(ZipWriter, WritesPyTorchsBytes) {
  // torch.save({'a': torch.arange(3.)}, BytesIO()) of PyTorch 2.13; the same sum is in the reader's tests.
  const std::string pickle =
      "\x80\x02}q\x00X\x01\x00\x00\x00"
      "aq\x01"
      "ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\x00\x00\x00storageq\x03"
      "ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x00"
      "0q\x05X\x03\x00\x00\x00"
      "cpuq\x06K\x03tq\x07QK\x00K\x03\x85q\x08"
      "K\x01\x85q\x09\x89"
      "ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0ds."s;
  const std::string bytes = written({{"data.pkl", pickle},
                                     {".format_version", "1"},
                                     {".storage_alignment", "64"},
                                     {"byteorder", "little"},
                                     {"data/0", "\x00\x00\x00\x00\x00\x00\x80\x3F\x00\x00\x00\x40"s},
                                     {"version", "3\n"},
                                     {".data/serialization_id", "1572819951185464302605161137344186704010"}});
  EXPECT_EQ(bytes.size(), 1'577U);
  EXPECT_EQ(crc32(0, as_bytes(bytes)), 0x17E9C4DAU);
}

TEST(ZipWriter, AgreesWithThePyTorchLayoutAtEveryAlignmentAndSize) {
  for (std::uint32_t alignment = 2; alignment <= 32'768; alignment *= 2) {
    std::vector<Record> records;
    ZipBuilder builder;
    builder.alignment = alignment;
    for (const std::size_t size : {0U, 1U, 3U, 63U, 64U, 65U, 4'095U, 65'535U, 65'536U, 300'001U}) {
      records.push_back(
          {"data/" + std::to_string(size), std::string(size, static_cast<char>('a' + size % 26))});
      builder.add("model/" + records.back().name, records.back().payload);
    }
    ASSERT_EQ(written(records, "model", {.alignment = alignment}), builder.bytes()) << alignment;
  }
}

TEST(ZipWriter, EveryPayloadStartsAtTheAlignment) {
  for (std::uint32_t alignment = 1; alignment <= 65'536; alignment *= 2) {
    std::vector<Record> records;
    for (int i = 0; i < 40; ++i) {
      // With the largest alignment these make paddings of all kinds, those beyond an extra field's length
      // among them.
      records.push_back(
          {std::string(1 + static_cast<std::size_t>(i) * 7 % 60, static_cast<char>('A' + i % 50)) +
               std::to_string(i),
           std::string(alignment > 4'096 && i % 3 == 0 ? 65'400 + static_cast<std::size_t>(i) * 3 : 5, 'p')});
    }
    const ZipArchive archive =
        ZipArchive::open(source_of(written(records, "r", {.alignment = alignment})), {});
    ASSERT_EQ(archive.records().size(), records.size());
    for (std::size_t i = 0; i < records.size(); ++i) {
      EXPECT_EQ(archive.records()[i].offset % alignment, 0U);
      EXPECT_EQ(text_of(archive, records[i].name), records[i].payload);
    }
  }
}

TEST(ZipWriter, PaddingThatNoExtraFieldHoldsGoesBeforeTheHeader) {
  // The first payload ends so that the second one's padding would take 65,533 bytes: header, name and field
  // follow.
  const std::string second = "data/1";
  const std::uint64_t headers = 30 + std::string("r/" + second).size() + 4;
  const std::string payload(65'536 + 3 - headers - 16, 'p');
  const ZipArchive archive = ZipArchive::open(
      source_of(written({{"data/0", payload}, {second, "second"}}, "r", {.alignment = 65'536})), {});
  EXPECT_EQ(archive.records()[1].offset, 3U * 65'536);
  EXPECT_EQ(text_of(archive, "data/0"), payload);
  EXPECT_EQ(text_of(archive, second), "second");
}

TEST(ZipWriter, PartsAndWholesGiveTheSameBytes) {
  std::string payload(3'000'000, '\0');
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>(i * 2'654'435'761U >> 13);
  const std::string whole = written({{"data/0", payload}});
  for (const std::size_t step : {1'000'003U, 524'288U, 65'536U, 65'535U, 999U}) {
    TextSink sink;
    ZipWriter writer(sink, "archive");
    writer.begin("data/0", payload.size());
    for (std::size_t at = 0; at < payload.size(); at += step) {
      writer.write(as_bytes(std::string_view(payload).substr(at, step)));
    }
    writer.end();
    writer.finish();
    EXPECT_EQ(sink.text, whole) << step;
  }
}

TEST(ZipWriter, SumsCanBeLeftOut) {
  const std::string bytes = written({{"data/0", "payload"}}, "r", {.crc32 = false});
  const ZipArchive archive = ZipArchive::open(source_of(bytes), {});
  EXPECT_EQ(archive.records()[0].crc32, 0U);
  EXPECT_EQ(text_of(archive, "data/0"), "payload");
}

/// The records of PyTorch's golden >4 GiB shapes: a large one, small ones behind it, an empty one, a large
/// one far out.
template <class Add>
void add_far_records(const Add& add) {
  add("data.pkl", "pickle", 0);
  add("data/0", "", kFourGiB + 5);
  add("data/1", "small and far", 0);
  add("data/2", "", 0);
  add("data/3", "start", kFourGiB);
  add("version", "3\n", 0);
}

TEST(ZipWriter, BeyondFourGiBItWritesPyTorchsFields) {
  const TempDirectory directory;
  SparseSink sink(directory / "written.pt");
  ZipWriter writer(sink, "big", {.crc32 = false});
  ZipBuilder builder;
  const std::string zeros(std::size_t{64} << 20, '\0');
  add_far_records([&](const std::string& name, const std::string& payload, std::uint64_t hole) {
    builder.add({.name = "big/" + name, .payload = payload, .hole = hole, .crc = 0});
    writer.begin(name, payload.size() + hole);
    writer.write(as_bytes(payload));
    for (; hole != 0; hole -= std::min<std::uint64_t>(hole, zeros.size())) {
      writer.write(as_bytes(std::string_view(zeros).substr(0, hole)));
    }
    writer.end();
  });
  writer.finish();
  const auto expected = open_file(builder.write(directory / "expected.pt"));
  const auto actual = open_file(directory / "written.pt");
  ASSERT_EQ(actual->size(), expected->size());
  // Everything but the zeros: some KiB around each header, and the directory with the end records.
  const auto compare = [&](std::uint64_t begin, std::uint64_t end) {
    std::string a(end - begin, '\0');
    std::string b = a;
    actual->read_at(begin, std::as_writable_bytes(std::span(a)));
    expected->read_at(begin, std::as_writable_bytes(std::span(b)));
    EXPECT_TRUE(a == b) << "between " << begin << " and " << end;
  };
  for (const std::uint64_t header : builder.layout().headers) {
    compare(header < 4'096 ? 0 : header - 4'096, std::min(header + 4'096, actual->size()));
  }
  compare(builder.layout().directory, actual->size());
  const ZipArchive archive = ZipArchive::open(actual, {});
  EXPECT_EQ(archive.records()[1].size, kFourGiB + 5);
  EXPECT_EQ(text_of(archive, "data/1"), "small and far");
  EXPECT_EQ(text_of(archive, "version"), "3\n");
}

TEST(ZipWriter, CountsMoreRecordsThanTheClassicEndRecordCan) {
  for (const std::size_t count : {65'534U, 65'535U, 65'536U, 70'000U}) {
    ZipBuilder builder;
    builder.alignment = 2;
    TextSink sink;
    ZipWriter writer(sink, "r", {.alignment = 2});
    for (std::size_t i = 0; i < count; ++i) {
      builder.add("r/" + std::to_string(i), "");
      writer.add(std::to_string(i), "");
    }
    writer.finish();
    ASSERT_TRUE(sink.text == builder.bytes()) << count;
  }
}

TEST(ZipWriter, TheContentIdTellsContentsApart) {
  const auto id_of = [](const std::string& root, const std::vector<Record>& records) {
    TextSink sink;
    ZipWriter writer(sink, root);
    for (const Record& record : records) writer.add(record.name, record.payload);
    return writer.content_id();
  };
  const std::string id = id_of("r", {{"a", "1"}, {"b", "2"}});
  EXPECT_EQ(id.size(), 40U);
  EXPECT_EQ(id.find_first_not_of("0123456789"), std::string::npos);
  EXPECT_EQ(id, id_of("r", {{"a", "1"}, {"b", "2"}}));
  EXPECT_NE(id, id_of("r", {{"a", "1"}, {"b", "3"}}));
  EXPECT_NE(id, id_of("r", {{"a", "1"}, {"c", "2"}}));
  EXPECT_EQ(id.substr(0, 20), id_of("r", {{"a", "9"}, {"b", "9"}}).substr(0, 20))
      << "the first half is of the names";
}

TEST(ZipWriter, RefusesMisuse) {
  TextSink sink;
  for (const std::uint32_t alignment : {0U, 3U, 96U, 131'072U}) {
    expect_error(ErrorCode::invalid_argument, "power of two",
                 [&] { ZipWriter(sink, "r", {.alignment = alignment}); });
  }
  expect_error(ErrorCode::invalid_argument, "root", [&] { ZipWriter(sink, ""); });
  expect_error(ErrorCode::invalid_argument, "root", [&] { ZipWriter(sink, "a/b"); });
  ZipWriter writer(sink, "r");
  expect_error(ErrorCode::invalid_argument, "too long", [&] { writer.begin(std::string(65'535, 'n'), 1); });
  writer.begin("short", 3);
  expect_error(ErrorCode::invalid_argument, "more bytes", [&] { writer.write(as_bytes("four")); });
  writer.write(as_bytes("tw"));
  expect_error(ErrorCode::invalid_argument, "lacks 1 bytes", [&] { writer.end(); });
}

}  // namespace
}  // namespace torchferry
