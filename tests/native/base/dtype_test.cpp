#include <torchferry/dtype.h>

#include <gtest/gtest.h>

#include <iterator>
#include <string>

namespace torchferry::testing {
namespace {

struct Expected {
  int number;
  const char* name;
  std::size_t itemsize;
  std::size_t swap_width;
  char nature;  // i integer, f floating point, c complex, q quantized, b bits
};

// Numbers as c10::ScalarType has them, sizes as torch's itemsize.
constexpr Expected kExpected[] = {
    {0, "uint8", 1, 1, 'i'},          {1, "int8", 1, 1, 'i'},           {2, "int16", 2, 2, 'i'},
    {3, "int32", 4, 4, 'i'},          {4, "int64", 8, 8, 'i'},          {5, "float16", 2, 2, 'f'},
    {6, "float32", 4, 4, 'f'},        {7, "float64", 8, 8, 'f'},        {8, "complex32", 4, 2, 'c'},
    {9, "complex64", 8, 4, 'c'},      {10, "complex128", 16, 8, 'c'},   {11, "bool", 1, 1, 'i'},
    {12, "qint8", 1, 1, 'q'},         {13, "quint8", 1, 1, 'q'},        {14, "qint32", 4, 4, 'q'},
    {15, "bfloat16", 2, 2, 'f'},      {16, "quint4x2", 1, 1, 'q'},      {17, "quint2x4", 1, 1, 'q'},
    {18, "bits1x8", 1, 1, 'b'},       {19, "bits2x4", 1, 1, 'b'},       {20, "bits4x2", 1, 1, 'b'},
    {21, "bits8", 1, 1, 'b'},         {22, "bits16", 2, 2, 'b'},        {23, "float8_e5m2", 1, 1, 'f'},
    {24, "float8_e4m3fn", 1, 1, 'f'}, {25, "float8_e5m2fnuz", 1, 1, 'f'}, {26, "float8_e4m3fnuz", 1, 1, 'f'},
    {27, "uint16", 2, 2, 'i'},        {28, "uint32", 4, 4, 'i'},        {29, "uint64", 8, 8, 'i'},
    {44, "float8_e8m0fnu", 1, 1, 'f'}, {45, "float4_e2m1fn_x2", 1, 1, 'f'},
};

TEST(DType, HasTorchsFacts) {
  for (const Expected& expected : kExpected) {
    const auto dtype = dtype_numbered(expected.number);
    ASSERT_TRUE(dtype) << expected.name;
    EXPECT_EQ(static_cast<int>(*dtype), expected.number);
    EXPECT_EQ(name(*dtype), expected.name);
    EXPECT_EQ(dtype_named(expected.name), dtype);
    EXPECT_EQ(itemsize(*dtype), expected.itemsize) << expected.name;
    EXPECT_EQ(swap_width(*dtype), expected.swap_width) << expected.name;
    EXPECT_EQ(is_floating_point(*dtype), expected.nature == 'f') << expected.name;
    EXPECT_EQ(is_complex(*dtype), expected.nature == 'c') << expected.name;
    EXPECT_EQ(is_quantized(*dtype), expected.nature == 'q') << expected.name;
  }
}

TEST(DType, OtherNumbersAreNone) {
  std::size_t known = 0;
  for (int number = -200; number < 300; ++number) known += dtype_numbered(number) ? 1 : 0;
  EXPECT_EQ(known, std::size(kExpected));
  EXPECT_FALSE(dtype_numbered(30));
  EXPECT_FALSE(dtype_numbered(-1));
  EXPECT_FALSE(dtype_numbered(46));
}

TEST(DType, PackedTypesHoldSeveralElementsAnItem) {
  EXPECT_EQ(elements_per_item(DType::quint4x2), 2u);
  EXPECT_EQ(elements_per_item(DType::quint2x4), 4u);
  for (const DType dtype : {DType::float32, DType::float4_e2m1fn_x2, DType::bits4x2, DType::quint8}) {
    EXPECT_EQ(elements_per_item(dtype), 1u);
  }
}

TEST(DType, TorchsAliases) {
  EXPECT_EQ(dtype_named("half"), DType::float16);
  EXPECT_EQ(dtype_named("float"), DType::float32);
  EXPECT_EQ(dtype_named("double"), DType::float64);
  EXPECT_EQ(dtype_named("short"), DType::int16);
  EXPECT_EQ(dtype_named("int"), DType::int32);
  EXPECT_EQ(dtype_named("long"), DType::int64);
  EXPECT_EQ(dtype_named("chalf"), DType::complex32);
  EXPECT_EQ(dtype_named("cfloat"), DType::complex64);
  EXPECT_EQ(dtype_named("cdouble"), DType::complex128);
}

TEST(DType, OtherNamesAreNone) {
  for (const char* text : {"", "Float32", "float32 ", "torch.float32", "int4", "boolean", "byte"}) {
    EXPECT_FALSE(dtype_named(text)) << text;
  }
}

}  // namespace
}  // namespace torchferry::testing
