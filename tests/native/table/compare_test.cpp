#include <gtest/gtest.h>
#include <torchferry/compare.h>

#include <cmath>
#include <limits>

#include "io/error_of.h"
#include "table/element_values.h"
#include "table/pickle_text.h"

// Tensors of two checkpoints side by side.

namespace torchferry::testing {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

template <class Number>
std::string bytes_of(const std::vector<Number>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Number)};
}

/// A checkpoint that is one tensor.
template <class Number>
Checkpoint one(const std::vector<Number>& values, const char* type = "FloatStorage") {
  const auto n = static_cast<std::int64_t>(values.size());
  return open_bytes(archive(tensor({.numel = n, .size = {n}, .type = type}), {{"0", bytes_of(values)}}));
}

Difference compared(const Checkpoint& a, const Checkpoint& b, const CompareOptions& options = {}) {
  return compare(a, a.table().tensors()[0], b, b.table().tensors()[0], options);
}

TEST(CompareTest, EqualTensorsAreEqual) {
  const Difference same = compared(one<float>({1, 2, 3}), one<float>({1, 2, 3}));
  EXPECT_EQ(same.elements, 3u);
  EXPECT_EQ(same.different, 0u);
  EXPECT_EQ(same.first, 3u);
  EXPECT_TRUE(same.bits_equal);
  EXPECT_EQ(same.max_absolute, 0);
}

TEST(CompareTest, DifferencesAreCountedAndMeasured) {
  const Difference found = compared(one<float>({1, 2.5F, 4, 0}), one<float>({1, 2, -4, 0}));
  EXPECT_EQ(found.different, 2u);
  EXPECT_EQ(found.not_close, 2u);
  EXPECT_EQ(found.first, 1u);
  EXPECT_EQ(found.max_absolute, 8);
  EXPECT_EQ(found.max_relative, 2);
  EXPECT_FALSE(found.bits_equal);
}

TEST(CompareTest, ToleranceIsThatOfAllclose) {
  const Checkpoint a = one<float>({1.01F, 100, 0.001F});
  const Checkpoint b = one<float>({1, 101, 0});
  EXPECT_EQ(compared(a, b, {.tolerance = {0.011, 0}}).not_close, 1u);
  EXPECT_EQ(compared(a, b, {.tolerance = {0.011, 0.01}}).not_close, 0u);
  EXPECT_EQ(compared(a, b, {.tolerance = {0, 1}}).not_close, 0u);
  EXPECT_EQ(compared(a, b, {.tolerance = {0, 1}}).different, 3u);
}

TEST(CompareTest, SpecialValues) {
  const float inf = static_cast<float>(kInfinity);
  const auto nan = static_cast<float>(kNaN);
  const Difference found =
      compared(one<float>({nan, nan, 1, inf, inf, 0.0F}), one<float>({nan, 1, nan, inf, -inf, -0.0F}), {.tolerance = {1, 9}});
  EXPECT_EQ(found.nan_a, 2u);
  EXPECT_EQ(found.nan_b, 2u);
  EXPECT_EQ(found.different, 3u);
  EXPECT_EQ(found.not_close, 3u);
  EXPECT_EQ(found.first, 1u);
  EXPECT_EQ(found.max_absolute, kInfinity);
  const Difference zeros = compared(one<float>({0.0F}), one<float>({-0.0F}));
  EXPECT_EQ(zeros.different, 0u);
  EXPECT_FALSE(zeros.bits_equal);
  EXPECT_EQ(compared(one<float>({1}), one<float>({0})).max_relative, kInfinity);
  const Difference nans = compared(one<float>({nan, 1}), one<float>({nan, 1}));
  EXPECT_EQ(nans.nan_a, 1u);
  EXPECT_EQ(nans.nan_b, 1u);
  EXPECT_EQ(nans.different, 0u);
}

TEST(CompareTest, LargeIntegersAreToldApart) {
  const std::int64_t large = std::int64_t{1} << 60;
  const Difference found = compared(one<std::int64_t>({large, -large, 5}, "LongStorage"),
                                    one<std::int64_t>({large + 1, large, 5}, "LongStorage"));
  EXPECT_EQ(found.different, 2u);
  EXPECT_EQ(found.first, 0u);
  EXPECT_EQ(found.max_absolute, 0x1p61);
  const Difference extremes = compared(one<std::int64_t>({std::numeric_limits<std::int64_t>::min()}, "LongStorage"),
                                       one<std::int64_t>({std::numeric_limits<std::int64_t>::max()}, "LongStorage"));
  EXPECT_EQ(extremes.max_absolute, 0x1p64);
}

TEST(CompareTest, TypesMayDiffer) {
  const Difference found = compared(one<float>({1, 2, 3}), one<double>({1, 2, 3.5}, "DoubleStorage"));
  EXPECT_EQ(found.different, 1u);
  EXPECT_FALSE(found.bits_equal);
  EXPECT_EQ(found.max_absolute, 0.5);
  EXPECT_FALSE(compared(one<float>({1}), one<double>({1}, "DoubleStorage")).bits_equal);
}

TEST(CompareTest, ComplexNumbersByTheirDistance) {
  const auto pair = [](const std::vector<float>& parts) {
    return open_bytes(archive(tensor({.numel = 2, .size = {2}, .type = "ComplexFloatStorage"}), {{"0", bytes_of(parts)}}));
  };
  const Difference found = compared(pair({3, 4, 1, 1}), pair({0, 0, 1, 2}), {.tolerance = {0, 1}});
  EXPECT_EQ(found.elements, 2u);
  EXPECT_EQ(found.different, 2u);
  EXPECT_EQ(found.not_close, 1u);
  EXPECT_EQ(found.max_absolute, 5);
}

TEST(CompareTest, StridesAndPiecesDoNotMatter) {
  const std::int64_t n = 3 << 20;
  std::string changed = floats(static_cast<std::size_t>(n));
  changed[4 * (2 << 20) + 3] ^= char(0x40);
  const Checkpoint a = open_bytes(archive(tensor({.numel = n, .size = {n}}), {{"0", floats(static_cast<std::size_t>(n))}}));
  const Checkpoint b = open_bytes(archive(tensor({.numel = n, .size = {n}}), {{"0", changed}}));
  const auto progress = std::make_shared<Progress>();
  const Difference found = compared(a, b, {.threads = 3, .progress = progress});
  EXPECT_EQ(found.different, 1u);
  EXPECT_EQ(found.first, 2u << 20);
  EXPECT_EQ(progress->done, 12u << 20);
  const Checkpoint rows = open_content(tensor({.size = {2, 3}, .stride = {3, 1}}));
  const Checkpoint columns =
      open_bytes(archive(tensor({.size = {2, 3}, .stride = {1, 2}}), {{"0", bytes_of<float>({0, 3, 1, 4, 2, 5})}}));
  EXPECT_TRUE(compared(rows, columns).bits_equal);
}

TEST(CompareTest, WhatCannotBeComparedIsRefused) {
  const Checkpoint a = one<float>({1, 2});
  const Checkpoint b = one<float>({1, 2, 3});
  EXPECT_FALSE(comparable(a, a.table().tensors()[0], b, b.table().tensors()[0]));
  expect_error(ErrorCode::invalid_argument, "cannot be compared", [&] { compared(a, b); });
  const auto progress = std::make_shared<Progress>();
  progress->cancel = true;
  expect_error(ErrorCode::cancelled, "cancelled", [&] { compared(a, a, {.progress = progress}); });
}

double decoded(DType dtype, unsigned code, std::size_t width = 1) {
  std::string bytes;
  append_le(bytes, code, width);
  double value = 0;
  decode_numbers(dtype, as_bytes(bytes), {&value, 1});
  return value;
}

TEST(CompareTest, SmallFloatsHaveTheirValues) {
  EXPECT_EQ(decoded(DType::float16, 0x3C00, 2), 1.0);
  EXPECT_EQ(decoded(DType::float16, 0xC500, 2), -5.0);
  EXPECT_EQ(decoded(DType::float16, 0x0001, 2), 0x1p-24);
  EXPECT_EQ(decoded(DType::float16, 0x7BFF, 2), 65504.0);
  EXPECT_EQ(decoded(DType::float16, 0xFC00, 2), -kInfinity);
  EXPECT_TRUE(std::isnan(decoded(DType::float16, 0x7E00, 2)));
  EXPECT_EQ(decoded(DType::bfloat16, 0x3FC0, 2), 1.5);
  EXPECT_EQ(decoded(DType::float8_e4m3fn, 0x7E), 448.0);
  EXPECT_TRUE(std::isnan(decoded(DType::float8_e4m3fn, 0xFF)));
  EXPECT_EQ(decoded(DType::float8_e4m3fn, 0x01), 0x1p-9);
  EXPECT_EQ(decoded(DType::float8_e5m2, 0x7B), 57344.0);
  EXPECT_EQ(decoded(DType::float8_e5m2, 0x7C), kInfinity);
  EXPECT_TRUE(std::isnan(decoded(DType::float8_e5m2, 0x7F)));
  EXPECT_EQ(decoded(DType::float8_e4m3fnuz, 0x7F), 240.0);
  EXPECT_TRUE(std::isnan(decoded(DType::float8_e4m3fnuz, 0x80)));
  EXPECT_EQ(decoded(DType::float8_e5m2fnuz, 0x7F), 57344.0);
  EXPECT_EQ(decoded(DType::float8_e8m0fnu, 0x7F), 1.0);
  EXPECT_EQ(decoded(DType::float8_e8m0fnu, 0x00), 0x1p-127);
  EXPECT_TRUE(std::isnan(decoded(DType::float8_e8m0fnu, 0xFF)));
}

}  // namespace
}  // namespace torchferry::testing
