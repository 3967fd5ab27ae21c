#include "placement/device_layout.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <numeric>
#include <random>

namespace torchferry::testing {
namespace {

TEST(DeviceLayout, NeighboursKeepTheirDistanceInOneRun) {
  const std::vector<StoredRange> storages{{0, 704, 12}, {0, 896, 100}, {0, 1152, 64}};
  const DeviceLayout layout = lay_out(storages);
  EXPECT_EQ(layout.offsets, (std::vector<std::uint64_t>{0, 192, 448}));
  ASSERT_EQ(layout.runs.size(), 1U);
  EXPECT_EQ(layout.runs[0].offset, 704U);
  EXPECT_EQ(layout.runs[0].nbytes, 512U);
  EXPECT_EQ(layout.nbytes, 512U);
}

TEST(DeviceLayout, MisalignedNeighboursMoveToAlignedPlaces) {
  const std::vector<StoredRange> storages{{0, 100, 3}, {0, 103, 50}, {0, 153, 8}};
  const DeviceLayout layout = lay_out(storages);
  EXPECT_EQ(layout.offsets, (std::vector<std::uint64_t>{0, 64, 128}));
  EXPECT_EQ(layout.runs.size(), 3U);
  EXPECT_EQ(layout.nbytes, 136U);
}

TEST(DeviceLayout, FarApartAndOtherFilesStartRunsOfTheirOwn) {
  const std::vector<StoredRange> storages{{0, 64, 64}, {0, 1 << 20, 64}, {1, (1 << 20) + 64, 64}};
  const DeviceLayout layout = lay_out(storages);
  EXPECT_EQ(layout.offsets, (std::vector<std::uint64_t>{0, 64, 128}));
  EXPECT_EQ(layout.runs.size(), 3U);
}

TEST(DeviceLayout, EmptyStoragesTakeNoPlace) {
  const std::vector<StoredRange> storages{{0, 64, 0}, {0, 64, 10}, {0, 128, 0}};
  const DeviceLayout layout = lay_out(storages);
  EXPECT_EQ(layout.nbytes, 10U);
  EXPECT_EQ(lay_out({}).nbytes, 0U);
  EXPECT_TRUE(runs_within(lay_out({}), 0, 100).empty());
}

/// Whatever the file looks like: carried out chunk by chunk, every storage finds its bytes, aligned, and none
/// overlaps another.
TEST(DeviceLayout, EveryStorageFindsItsBytes) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::vector<std::uint8_t>> files(1 + random() % 3, std::vector<std::uint8_t>(60'000));
    for (auto& file : files) {
      for (auto& byte : file) byte = static_cast<std::uint8_t>(random());
    }
    std::vector<StoredRange> storages;
    for (std::uint32_t file = 0; file < files.size(); ++file) {
      const std::uint64_t step = random() % 2 ? 64 : 1;
      std::uint64_t at = random() % 1000 / step * step;
      while (at < 50'000) {
        const std::uint64_t nbytes = random() % (random() % 4 ? 300 : 6000);
        storages.push_back({file, at, nbytes});
        const std::uint64_t gap = random() % 10 == 0 ? 9000 : random() % 200;
        at = (at + nbytes + gap + step - 1) / step * step;
      }
    }
    const DeviceLayout layout = lay_out(storages);
    std::vector<std::uint8_t> slab(layout.nbytes);
    const std::uint64_t chunk = 1 + random() % 5000;
    std::uint64_t read = 0;
    for (std::uint64_t begin = 0; begin < layout.nbytes; begin += chunk) {
      const std::uint64_t end = std::min(begin + chunk, layout.nbytes);
      for (const FileRun& run : runs_within(layout, begin, end)) {
        ASSERT_TRUE(run.at >= begin && run.at + run.nbytes <= end && run.nbytes > 0);
        std::copy_n(files[run.file].begin() + static_cast<std::ptrdiff_t>(run.offset), run.nbytes,
                    slab.begin() + static_cast<std::ptrdiff_t>(run.at));
        read += run.nbytes;
      }
    }
    std::uint64_t wanted = 0;
    std::uint64_t end_of_last = 0;
    for (std::size_t i = 0; i < storages.size(); ++i) {
      if (storages[i].nbytes == 0) continue;
      ASSERT_EQ(layout.offsets[i] % kStorageAlignment, 0U);
      ASSERT_GE(layout.offsets[i], end_of_last);
      end_of_last = layout.offsets[i] + storages[i].nbytes;
      wanted += storages[i].nbytes;
      const auto& file = files[storages[i].file];
      ASSERT_TRUE(std::equal(file.begin() + static_cast<std::ptrdiff_t>(storages[i].offset),
                             file.begin() + static_cast<std::ptrdiff_t>(storages[i].offset + storages[i].nbytes),
                             slab.begin() + static_cast<std::ptrdiff_t>(layout.offsets[i])));
    }
    EXPECT_EQ(end_of_last, layout.nbytes);
    EXPECT_LE(read, wanted + storages.size() * 8192);
  }
}

}  // namespace
}  // namespace torchferry::testing
