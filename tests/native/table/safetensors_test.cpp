#include <gtest/gtest.h>

#include "io/error_of.h"
#include "table/pickle_text.h"

// safetensors: what the reference implementation refuses is refused, and duplicates of any kind besides.

namespace torchferry::testing {
namespace {

std::string safetensors(const std::string& header, std::size_t data_bytes) {
  std::string file;
  append_le(file, header.size(), 8);
  file += header;
  for (std::size_t i = 0; i < data_bytes; ++i) file += static_cast<char>(i);
  return file;
}

const TensorRow& row_of(const Checkpoint& checkpoint, std::size_t entry) {
  return checkpoint.table().tensors()[checkpoint.entries()[entry].tensor];
}

TEST(SafetensorsTest, ReadsTensorsAndMetadata) {
  const Checkpoint checkpoint = open_bytes(safetensors(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
      R"("a":{"data_offsets":[16,18],"shape":[],"dtype":"BF16","more":[{"x":-1.5e3}]},"e":{"dtype":"I64","shape":[0,3],"data_offsets":[18,18]}} )",
      18));
  EXPECT_EQ(checkpoint.format(), Format::safetensors);
  EXPECT_EQ(keys_of(checkpoint.entries()), (std::vector<std::string>{"b", "a", "e"}));
  EXPECT_EQ(row_of(checkpoint, 0).dtype, DType::float32);
  EXPECT_EQ(row_of(checkpoint, 1).dtype, DType::bfloat16);
  EXPECT_EQ(row_of(checkpoint, 1).dim, 0u);
  EXPECT_EQ(row_of(checkpoint, 2).numel, 0u);
  const auto bytes = checkpoint.bytes(row_of(checkpoint, 0)).bytes;
  ASSERT_EQ(bytes.size(), 16u);
  EXPECT_EQ(bytes[3], std::byte{3});
  const ValuePtr metadata = checkpoint.metadata({});
  ASSERT_NE(metadata, nullptr);
  EXPECT_EQ(metadata->entries.at(0).first->text, "format");
  EXPECT_EQ(metadata->entries.at(0).second->text, "pt");
  EXPECT_EQ(checkpoint.root()->entries.size(), 3u);
}

TEST(SafetensorsTest, KnowsEveryType) {
  const std::vector<std::pair<const char*, DType>> types = {
      {"BOOL", DType::boolean},         {"U8", DType::uint8},           {"I8", DType::int8},
      {"F8_E5M2", DType::float8_e5m2},  {"F8_E4M3", DType::float8_e4m3fn}, {"F8_E8M0", DType::float8_e8m0fnu},
      {"F8_E4M3FNUZ", DType::float8_e4m3fnuz}, {"F8_E5M2FNUZ", DType::float8_e5m2fnuz}, {"I16", DType::int16},
      {"U16", DType::uint16},           {"F16", DType::float16},        {"BF16", DType::bfloat16},
      {"I32", DType::int32},            {"U32", DType::uint32},         {"F32", DType::float32},
      {"C64", DType::complex64},        {"F64", DType::float64},        {"I64", DType::int64},
      {"U64", DType::uint64},
  };
  for (const auto& [type, dtype] : types) {
    const std::string size = std::to_string(itemsize(dtype) * 3);
    const Checkpoint checkpoint = open_bytes(
        safetensors(std::string(R"({"t":{"dtype":")") + type + R"(","shape":[3],"data_offsets":[0,)" + size + "]}}", itemsize(dtype) * 3));
    EXPECT_EQ(row_of(checkpoint, 0).dtype, dtype) << type;
  }
}

TEST(SafetensorsTest, SubByteTypesAreHalvedOrRaw) {
  const Checkpoint pairs = open_bytes(safetensors(R"({"t":{"dtype":"F4","shape":[2,4],"data_offsets":[0,4]}})", 4));
  EXPECT_EQ(row_of(pairs, 0).dtype, DType::float4_e2m1fn_x2);
  EXPECT_EQ(pairs.table().sizes(row_of(pairs, 0))[1], 2);
  const Checkpoint raw = open_bytes(safetensors(R"({"t":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]}})", 3));
  EXPECT_FALSE(raw.table().unsupported(row_of(raw, 0)).empty());
  EXPECT_EQ(raw.bytes(row_of(raw, 0)).bytes.size(), 3u);
  const Checkpoint odd = open_bytes(safetensors(R"({"t":{"dtype":"F4","shape":[2,3],"data_offsets":[0,3]}})", 3));
  EXPECT_NE(odd.table().unsupported(row_of(odd, 0)).find("divisible by 2"), std::string_view::npos);
}

TEST(SafetensorsTest, ReadsEscapedNames) {
  const Checkpoint checkpoint = open_bytes(
      safetensors(R"({"\u00e9\ud83d\ude00\n\"\\\/":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1));
  EXPECT_EQ(checkpoint.entries()[0].key, "é😀\n\"\\/");
}

TEST(SafetensorsTest, RefusesBadHeaders) {
  const std::string entry = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  const std::vector<std::pair<std::string, const char*>> headers = {
      {R"({"t":)" + entry, "ends too early"},
      {R"({"t":)" + entry + "} x", "something follows"},
      {R"({"t":)" + entry + R"(,"t":)" + entry + "}", "stands twice"},
      {R"({"t":)" + entry + ",}", "expected a string"},
      {R"({"__metadata__":{"a":1}})", "expected a string"},
      {R"({"__metadata__":{},"__metadata__":{}})", "stands twice"},
      {R"({"__metadata__":{"a":"1","a":"2"}})", "stands twice"},
      {R"({"t":["U8",[1],[0,1]]})", "is not an object"},
      {R"({"t":{"dtype":"u8","shape":[1],"data_offsets":[0,1]}})", "unknown dtype 'u8'"},
      {R"({"t":{"dtype":"U8","shape":[1]}})", "lacks"},
      {R"({"t":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "stands twice"},
      {R"({"t":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", "non-negative integer"},
      {R"({"t":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", "expected an integer"},
      {R"({"t":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}})", "expected an integer"},
      {R"({"t":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}})", "non-negative integer"},
      {R"({"t":{"dtype":"U8","shape":[01],"data_offsets":[0,1]}})", "leading zero"},
      {R"({"t":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,1]}})", "beyond 64 bits"},
      {R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", "two numbers"},
      {R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", "must begin"},
      {R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", "must begin"},
      {R"({"t":{"dtype":"U16","shape":[1],"data_offsets":[0,1]}})", "need 2 bytes"},
      {R"({"t":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", "whole byte"},
      {R"({"t":{"dtype":"U8","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,1]}})", "overflows"},
      {R"({})", "ends at"},
      {"{\"t\x01\":" + entry + "}", "control character"},
      {"{\"\xff\":" + entry + "}", "not UTF-8"},
      {R"({"\ud800":)" + entry + "}", "lone surrogate"},
      {R"({"\x":)" + entry + "}", "unknown escape"},
      {R"({"t":)" + entry + R"(,"n":)" + std::string(200, '[') + std::string(200, ']') + "}", "not an object"},
  };
  for (const auto& [header, words] : headers) {
    const Error error = error_of([&] { open_bytes(safetensors(header, 1)); });
    EXPECT_EQ(error.code(), ErrorCode::corrupt) << header;
    if (std::string_view(words) != "ends at") {
      EXPECT_NE(error.message().find(words), std::string::npos) << header << "\n" << error.what();
    }
    EXPECT_EQ(error.record(), "header");
  }
  expect_error(ErrorCode::corrupt, "it was cut, or something was appended", [&] { open_bytes(safetensors("{\"t\":" + entry + "}", 2)); });
  expect_error(ErrorCode::corrupt, "need", [&] { open_bytes(safetensors(R"({"t":{"dtype":"U8","shape":[9],"data_offsets":[0,1]}})", 1)); });
}

TEST(SafetensorsTest, AcceptsEmptyOnes) {
  EXPECT_TRUE(open_bytes(safetensors("{}", 0)).entries().empty());
  EXPECT_TRUE(open_bytes(safetensors("{\"__metadata__\":null}  \n", 0)).entries().empty());
}

TEST(SafetensorsTest, EveryCutAndEveryChangeIsReadOrATypedError) {
  const std::string bytes = safetensors(R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})", 16);
  for (std::size_t size = 0; size < bytes.size(); ++size) error_of([&] { open_bytes(bytes.substr(0, size)); });
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int flip : {1, 2, 4, 8, 16, 32, 64, 128}) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      try {
        open_bytes(changed);
      } catch (const Error&) {
      }
    }
  }
}

}  // namespace
}  // namespace torchferry::testing
