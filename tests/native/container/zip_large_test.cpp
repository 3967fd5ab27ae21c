#include <gtest/gtest.h>
#include <torchferry/error.h>

#include <atomic>
#include <string>

#include "container/zip_archive.h"
#include "container/zip_builder.h"
#include "io/error_of.h"

namespace torchferry {
namespace {

using testing::expect_error;
using testing::TempDirectory;
using testing::ZipBuilder;
using testing::ZipLayout;

constexpr std::uint64_t kFourGiB = std::uint64_t{1} << 32;

std::string text_at(const ZipArchive& archive, std::uint32_t record) {
  const auto bytes = archive.read(record, 1 << 20, "test", true);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Passes reads on and counts them.
class CountingSource final : public ByteSource {
 public:
  explicit CountingSource(std::shared_ptr<const ByteSource> source)
      : ByteSource(source->name(), source->size()), source_(std::move(source)) {}
  void read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    ++reads;
    bytes += out.size();
    source_->read_at(offset, out);
  }
  std::shared_ptr<const std::byte> map() const override {
    ADD_FAILURE() << "the index is read, not mapped";
    return source_->map();
  }
  mutable std::atomic<std::uint64_t> reads = 0, bytes = 0;

 private:
  std::shared_ptr<const ByteSource> source_;
};

void expect_layout(const ZipArchive& archive, const ZipLayout& layout) {
  ASSERT_EQ(archive.records().size(), layout.payloads.size());
  for (std::size_t i = 0; i < layout.payloads.size(); ++i) {
    ASSERT_EQ(archive.records()[i].offset, layout.payloads[i]) << i;
  }
}

TEST(ZipLarge, RecordsBeyondFourGiB) {
  const TempDirectory directory;
  ZipBuilder builder;
  builder.add("big/data.pkl", "pickle")
      .add({.name = "big/data/0", .hole = kFourGiB + 5})
      .add("big/data/1", "small and far")
      .add("big/data/2", "")
      .add({.name = "big/data/3", .payload = "start", .hole = kFourGiB})
      .add("big/version", "3\n");
  const auto path = builder.write(directory / "big.pt");
  const ZipArchive archive = ZipArchive::open(open_file(path), {});
  expect_layout(archive, builder.layout());
  EXPECT_EQ(archive.records()[1].size, kFourGiB + 5);
  EXPECT_EQ(archive.records()[4].size, kFourGiB + 5);
  EXPECT_GT(archive.records()[2].offset, kFourGiB);
  EXPECT_EQ(text_at(archive, 2), "small and far");
  EXPECT_EQ(text_at(archive, 3), "");
  EXPECT_EQ(text_at(archive, 5), "3\n");
  for (const Record& record : archive.records()) EXPECT_EQ(record.offset % 64, 0U);
  expect_error(ErrorCode::limit_exceeded, "pickle_bytes",
               [&] { archive.read(1, 1 << 30, "pickle_bytes", true); });
}

TEST(ZipLarge, SizesAndOffsetsAroundTheZip64Border) {
  for (const std::uint64_t size : {kFourGiB - 2, kFourGiB - 1, kFourGiB}) {
    const TempDirectory directory;
    ZipBuilder builder;
    builder.add({.name = "r/a", .hole = size}).add("r/b", "b");
    const ZipArchive archive = ZipArchive::open(open_file(builder.write(directory / "x.pt")), {});
    expect_layout(archive, builder.layout());
    EXPECT_EQ(archive.records()[0].size, size);
    EXPECT_EQ(text_at(archive, 1), "b");
  }
  for (const std::uint64_t offset : {kFourGiB - 2, kFourGiB - 1, kFourGiB, 37 * kFourGiB}) {
    const TempDirectory directory;
    ZipBuilder builder;
    builder.add("r/a", "a").skip_to(offset).add("r/b", "b").add("r/c", "c");
    const ZipArchive archive = ZipArchive::open(open_file(builder.write(directory / "x.pt")), {});
    expect_layout(archive, builder.layout());
    EXPECT_EQ(text_at(archive, 1), "b");
    EXPECT_EQ(text_at(archive, 2), "c");
  }
}

TEST(ZipLarge, TenThousandRecordsInFewReads) {
  ZipBuilder builder;
  builder.add("many/data.pkl", "pickle");
  for (int i = 0; i < 10'000; ++i) {
    std::string payload = std::to_string(i);
    payload.resize(1'024, '.');
    builder.add("many/data/" + std::to_string(i), payload);
  }
  const auto source = std::make_shared<CountingSource>(builder.source());
  const ZipArchive archive = ZipArchive::open(source, {});
  expect_layout(archive, builder.layout());
  EXPECT_LT(source->reads, 200U);
  for (int i = 0; i < 10'000; ++i) {
    const auto found = archive.find("data/" + std::to_string(i));
    ASSERT_EQ(found, static_cast<std::uint32_t>(i + 1));
  }
  EXPECT_EQ(archive.find("data/10000"), std::nullopt);
  EXPECT_TRUE(text_at(archive, 7'778).starts_with("7777."));
}

TEST(ZipLarge, MoreRecordsThanTheClassicEndRecordCanCount) {
  for (const std::size_t count : {65'534U, 65'535U, 65'536U, 70'000U}) {
    ZipBuilder builder;
    builder.alignment = 1;
    for (std::size_t i = 0; i < count; ++i) builder.add("r/" + std::to_string(i), "");
    const ZipArchive archive = ZipArchive::open(builder.source(), {});
    EXPECT_EQ(archive.records().size(), count);
    EXPECT_EQ(archive.find(std::to_string(count - 1)), count - 1);
  }
  ZipBuilder classic;
  classic.zip64_end = false;
  classic.alignment = 1;
  for (std::size_t i = 0; i < 65'535; ++i) classic.add("r/" + std::to_string(i), "");
  EXPECT_EQ(ZipArchive::open(classic.source(), {}).records().size(), 65'535U);
}

TEST(ZipLarge, SmallFilesTakeOneReadAndFarHeadersOneEach) {
  ZipBuilder small;
  for (int i = 0; i < 100; ++i) small.add("r/" + std::to_string(i), std::string(100, 'x'));
  auto source = std::make_shared<CountingSource>(small.source());
  expect_layout(ZipArchive::open(source, {}), small.layout());
  EXPECT_EQ(source->reads, 1U);

  const TempDirectory directory;
  ZipBuilder sparse;
  for (int i = 0; i < 100; ++i) sparse.add({.name = "r/" + std::to_string(i), .hole = 1'000'000});
  source = std::make_shared<CountingSource>(open_file(sparse.write(directory / "sparse.pt")));
  expect_layout(ZipArchive::open(source, {}), sparse.layout());
  EXPECT_EQ(source->reads, 101U);
  EXPECT_LT(source->bytes, 80'000U) << "little more than the end of the file and the headers is read";
}

TEST(ZipLarge, HeadersAtAllDistancesAreRead) {
  // Payloads that grow through the distance up to which headers are fetched together, and past a whole
  // window.
  for (const std::size_t step : {0U, 1U, 97U, 1'021U, 16'000U, 16'301U, 16'384U}) {
    ZipBuilder builder;
    builder.alignment = 1;
    for (std::size_t i = 0; i < 24; ++i) {
      builder.add("r/" + std::string(1 + i * 37 % 200, 'n') + std::to_string(i), std::string(i * step, 'p'));
    }
    builder.add("r/large", std::string(300'000, 'L')).add("r/last", "last").trailing =
        std::string(60'000, 'J');
    const ZipArchive archive = ZipArchive::open(builder.source(), {});
    expect_layout(archive, builder.layout());
    EXPECT_EQ(text_at(archive, 25), "last");
  }
}

TEST(ZipLarge, NamesThatFillAWindowAreRead) {
  ZipBuilder builder;
  for (int i = 0; i < 6; ++i) {
    builder.add("r/" + std::string(65'000, static_cast<char>('a' + i)), std::string(2'000, 'p'));
  }
  builder.add("r/tail", std::string(70'000, 't'));
  expect_layout(ZipArchive::open(builder.source(), {}), builder.layout());
}

TEST(ZipLarge, DirectoriesAroundTheSizeOfTheFirstReadAreRead) {
  // The listing ends near the end of the file; whether it fits into what is read first depends on its length.
  for (std::size_t name_bytes = 1'640; name_bytes <= 1'700; name_bytes += 1) {
    ZipBuilder builder;
    builder.alignment = 1;
    for (char letter = 'a'; letter < 'a' + 20; ++letter) {
      builder.add("r/" + std::string(name_bytes * 2 - 60, letter), "x");
    }
    expect_layout(ZipArchive::open(builder.source(), {}), builder.layout());
  }
}

}  // namespace
}  // namespace torchferry
