#include <torchferry/limits.h>

#include <gtest/gtest.h>

#include "base/limit_error.h"
#include "io/error_of.h"
#include "table/tar_pickles.h"

// Every limit, through the one door: the error has its own code and names the limit with its value.

namespace torchferry::testing {
namespace {

std::string ordinary() {
  ZipBuilder zip;
  const Pickle content = dict({{str("model"), ordered_dict({{str("weight"), put(tensor({.size = {2, 3}, .stride = {3, 1}}), 1)},
                                                            {str("tied"), get(1)}})},
                               {str("large"), "\x8a\x0c" + std::string(12, '\x7f')}});
  zip.add("r/data.pkl", "\x80\x02" + content + ".");
  zip.add("r/data/0", floats(6));
  zip.add("r/version", "3\n");
  zip.add_deflated("r/notes", std::string(1000, 'n'));
  return zip.bytes();
}

template <class Number>
void expect_limit(Number Limits::*field, Number value, const char* name, const std::string& file = ordinary()) {
  open_bytes(file);
  OpenOptions options;
  options.limits.*field = value;
  const Error error = error_of([&] { open_bytes(file, options); });
  EXPECT_EQ(error.code(), ErrorCode::limit_exceeded) << name << ": " << error.what();
  const std::string limit = std::string("the limit ") + name + " = " + std::to_string(value) + ". ";
  EXPECT_NE(error.message().find(limit), std::string::npos) << error.what();
  for (const std::string& cure : {std::string("Limits::") + name, std::string("--limit ") + name + "=N"}) {
    EXPECT_NE(error.message().find(cure), std::string::npos) << error.what();
  }
  EXPECT_EQ(error.file(), "test.pt");
}

TEST(LimitsTest, EachHasItsOwnError) {
  expect_limit(&Limits::pickle_bytes, std::uint64_t{20}, "pickle_bytes");
  expect_limit(&Limits::pickle_nodes, std::uint64_t{5}, "pickle_nodes");
  expect_limit(&Limits::memo_entries, std::uint64_t{0}, "memo_entries");
  expect_limit(&Limits::depth, std::uint32_t{1}, "depth");
  expect_limit(&Limits::integer_bytes, std::uint32_t{11}, "integer_bytes");
  expect_limit(&Limits::records, std::uint64_t{3}, "records");
  expect_limit(&Limits::directory_bytes, std::uint64_t{50}, "directory_bytes");
  expect_limit(&Limits::tensors, std::uint64_t{1}, "tensors");
  expect_limit(&Limits::name_bytes, std::uint64_t{9}, "name_bytes");
  expect_limit(&Limits::dimensions, std::uint32_t{1}, "dimensions");
  expect_limit(&Limits::inflated_bytes, std::uint64_t{999}, "inflated_bytes");
}

TEST(LimitsTest, InflatingIsBoundedByARatio) {
  ZipBuilder zip;
  zip.add("r/data.pkl", "\x80\x02N.");
  zip.add("r/version", "3\n");
  zip.add({.name = "r/bomb", .payload = std::string(10, '\0'), .method = 8, .size = 10 * 1000, .crc = 1});
  const std::string file = zip.bytes();
  expect_limit(&Limits::inflate_ratio, std::uint32_t{999}, "inflate_ratio", file);
}

TEST(LimitsTest, HoldForTheOtherFormats) {
  const TarFile tar;
  expect_limit(&Limits::pickle_nodes, std::uint64_t{2}, "pickle_nodes", tar.bytes());
  expect_limit(&Limits::tensors, std::uint64_t{0}, "tensors", tar.bytes());
  const std::string header = R"({"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}})";
  std::string safetensors;
  append_le(safetensors, header.size(), 8);
  safetensors += header + floats(1);
  expect_limit(&Limits::tensors, std::uint64_t{0}, "tensors", safetensors);
  expect_limit(&Limits::dimensions, std::uint32_t{1}, "dimensions", safetensors);
  expect_limit(&Limits::name_bytes, std::uint64_t{0}, "name_bytes", safetensors);
  expect_limit(&Limits::directory_bytes, std::uint64_t{header.size() - 1}, "directory_bytes", safetensors);
}

TEST(LimitsTest, EveryMessageEndsWithTheCure) {
  EXPECT_EQ(over_limit("too much", "pickle_bytes", 5),
            "too much: over the limit pickle_bytes = 5. If the file can be trusted, raise it: Limits.withPickleBytes in "
            "Java, Limits::pickle_bytes in C++, --limit pickle_bytes=N on the command line");
}

}  // namespace
}  // namespace torchferry::testing
