#include "table/assembly.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>

// Whether boxes tile a tensor, against a count of every element.

namespace torchferry {
namespace {

using Extents = std::vector<std::int64_t>;

struct OwnedBox {
  Extents at;
  Extents size;
};

std::string fault(const Extents& size, const std::vector<OwnedBox>& boxes) {
  std::vector<Box> views;
  for (const OwnedBox& box : boxes) views.push_back({box.at, box.size});
  return tiling_fault(size, views);
}

bool tiles_by_counting(const Extents& size, const std::vector<OwnedBox>& boxes) {
  std::vector<int> count(static_cast<std::size_t>(size[0] * size[1] * size[2]), 0);
  for (const auto& [at, extent] : boxes) {
    for (std::int64_t x = at[0]; x < at[0] + extent[0]; ++x) {
      for (std::int64_t y = at[1]; y < at[1] + extent[1]; ++y) {
        for (std::int64_t z = at[2]; z < at[2] + extent[2]; ++z) {
          ++count[static_cast<std::size_t>((x * size[1] + y) * size[2] + z)];
        }
      }
    }
  }
  return std::all_of(count.begin(), count.end(), [](int n) { return n == 1; });
}

/// Cuts a box at random until it is small.
void cut(std::mt19937& random, const OwnedBox& box, std::vector<OwnedBox>& out) {
  const std::size_t d = random() % 3;
  if (box.size[d] < 2 || random() % 4 == 0) {
    out.push_back(box);
    return;
  }
  const auto at = static_cast<std::int64_t>(1 + random() % static_cast<unsigned>(box.size[d] - 1));
  OwnedBox near = box;
  OwnedBox far = box;
  near.size[d] = at;
  far.at[d] += at;
  far.size[d] -= at;
  cut(random, near, out);
  cut(random, far, out);
}

TEST(TilingFault, AgreesWithCounting) {
  std::mt19937 random(7);
  int good = 0;
  int bad = 0;
  for (int round = 0; round < 3'000; ++round) {
    const Extents size = {1 + static_cast<std::int64_t>(random() % 5), 1 + static_cast<std::int64_t>(random() % 5),
                          1 + static_cast<std::int64_t>(random() % 4)};
    std::vector<OwnedBox> boxes;
    cut(random, {{0, 0, 0}, size}, boxes);
    std::shuffle(boxes.begin(), boxes.end(), random);
    if (round % 2 == 1) {
      OwnedBox& box = boxes[random() % boxes.size()];
      const std::size_t d = random() % 3;
      if (random() % 2 == 0) {
        box.at[d] = static_cast<std::int64_t>(random() % static_cast<unsigned>(size[d] - box.size[d] + 1));
      } else {
        box.size[d] = 1 + static_cast<std::int64_t>(random() % static_cast<unsigned>(size[d] - box.at[d]));
      }
    }
    const bool expected = tiles_by_counting(size, boxes);
    ASSERT_EQ(fault(size, boxes).empty(), expected) << fault(size, boxes);
    ++(expected ? good : bad);
  }
  EXPECT_GT(good, 300);
  EXPECT_GT(bad, 300);
}

TEST(TilingFault, ManyBoxesTakeLittleTime) {
  std::vector<OwnedBox> boxes;
  for (std::int64_t i = 0; i < 300; ++i) {
    for (std::int64_t j = 0; j < 300; ++j) boxes.push_back({{i, 2 * j, 0}, {1, 2, 9}});
  }
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(fault({300, 600, 9}, boxes), "");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(TilingFault, ScalarsAndEmptyTensors) {
  EXPECT_EQ(fault({}, {{{}, {}}}), "");
  EXPECT_EQ(fault({}, {}), "its chunks leave a gap");
  EXPECT_EQ(fault({}, {{{}, {}}, {{}, {}}}), "its chunks overlap");
  EXPECT_EQ(fault({0, 3}, {}), "");
  EXPECT_EQ(fault({0, 3}, {{{0, 0}, {0, 3}}, {{0, 3}, {0, 0}}}), "");
}

TEST(TilingFault, TooManyCutDimensionsAreRefused) {
  const Extents size(8, 2);
  std::vector<OwnedBox> boxes;
  for (int corner = 0; corner < 256; ++corner) {
    OwnedBox box{Extents(8, 0), Extents(8, 1)};
    for (int d = 0; d < 8; ++d) box.at[static_cast<std::size_t>(d)] = corner >> d & 1;
    boxes.push_back(box);
  }
  EXPECT_NE(fault(size, boxes).find("cut along 8 dimensions"), std::string::npos);
}

}  // namespace
}  // namespace torchferry
