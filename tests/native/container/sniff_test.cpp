#include "container/sniff.h"

#include <gtest/gtest.h>

#include <string>

#include "container/zip_builder.h"
#include "io/error_of.h"

namespace torchferry {
namespace {

using namespace std::string_literals;
using testing::source_of;

const std::string kLong = "\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19\x2E"s;
const std::string kFrame = "\x95\x0D\x00\x00\x00\x00\x00\x00\x00"s;

FileKind kind_of(std::string bytes) { return sniff(*source_of(std::move(bytes))); }

std::string safetensors(std::uint64_t header_bytes, std::string header) {
  std::string bytes;
  testing::append_le(bytes, header_bytes, 8);
  header.resize(static_cast<std::size_t>(header_bytes), ' ');
  return bytes + header;
}

TEST(Sniff, KnowsZip) {
  EXPECT_EQ(sniff(*testing::ZipBuilder().add("a/data.pkl", "x").source()), FileKind::zip);
  EXPECT_EQ(kind_of("junk" + testing::ZipBuilder().add("a/data.pkl", "x").bytes()), FileKind::unknown);
  EXPECT_EQ(kind_of("PK\x03"), FileKind::unknown);
}

TEST(Sniff, KnowsLegacyFilesOfEveryProtocol) {
  EXPECT_EQ(kind_of("\x80\x02"s + kLong + "rest"), FileKind::legacy);
  EXPECT_EQ(kind_of("\x80\x03"s + kLong), FileKind::legacy);
  EXPECT_EQ(kind_of("\x80\x04"s + kFrame + kLong), FileKind::legacy);
  EXPECT_EQ(kind_of("\x80\x05"s + kFrame + kLong), FileKind::legacy);
}

TEST(Sniff, TellsOtherPicklesFromLegacyFiles) {
  EXPECT_EQ(kind_of("\x80\x02}q\x00."s), FileKind::pickle);
  EXPECT_EQ(kind_of("\x80\x05\x95\x10\x00\x00\x00\x00\x00\x00\x00}."s), FileKind::pickle);
  EXPECT_EQ(kind_of("\x80\x02"s + kLong.substr(0, 12) + "/"), FileKind::pickle);
  EXPECT_EQ(kind_of("\x80\x02"s), FileKind::pickle);
  EXPECT_EQ(kind_of("\x80\x01}."s), FileKind::unknown);
  EXPECT_EQ(kind_of("\x80\x06}."s), FileKind::unknown);
}

TEST(Sniff, KnowsSafetensors) {
  EXPECT_EQ(kind_of(safetensors(2, "{}")), FileKind::safetensors);
  EXPECT_EQ(kind_of(safetensors(24, "   {\"a\":")), FileKind::safetensors);
  EXPECT_EQ(kind_of(safetensors(24, "[1]")), FileKind::unknown);
  EXPECT_EQ(kind_of(safetensors(24, "{}").substr(0, 31)), FileKind::unknown) << "the header passes the end";
  std::string huge = safetensors(2, "{}");
  testing::poke(huge, 0, 100'000'001, 8);
  EXPECT_EQ(kind_of(huge), FileKind::unknown);
  testing::poke(huge, 0, ~std::uint64_t{0}, 8);
  EXPECT_EQ(kind_of(huge), FileKind::unknown);
}

TEST(Sniff, TellsSafetensorsFromPicklesWhenTheHeaderLengthLooksLikeOne) {
  for (const std::uint64_t length : {0x0280U, 0x0380U, 0x0480U, 0x0580U, 0x010280U}) {
    EXPECT_EQ(kind_of(safetensors(length, "{\"a\":0}")), FileKind::safetensors) << length;
  }
}

TEST(Sniff, KnowsWhatIsRefusedByName) {
  EXPECT_EQ(kind_of("PYTORCH1rest"), FileKind::preview_archive);
  EXPECT_EQ(kind_of("\x18\x00\x00\x00PTMF\x00\x00"s), FileKind::flatbuffer);
  std::string tar(512, '\0');
  tar.replace(257, 5, "ustar");
  EXPECT_EQ(kind_of(tar), FileKind::tar);
  EXPECT_EQ(kind_of(tar.substr(0, 261)), FileKind::unknown);
}

TEST(Sniff, KnowsJson) {
  EXPECT_EQ(kind_of("{\"weight_map\": {}}"), FileKind::json);
  EXPECT_EQ(kind_of(" \r\n\t{}"), FileKind::json);
  EXPECT_EQ(kind_of("\xEF\xBB\xBF{}"), FileKind::json);
}

TEST(Sniff, TakesFilesOfAnyLength) {
  EXPECT_EQ(kind_of(""), FileKind::unknown);
  const std::string start = "\x80\x02"s + kLong;
  for (std::size_t length = 0; length <= start.size(); ++length) {
    const FileKind kind = kind_of(start.substr(0, length));
    EXPECT_EQ(kind, length < 2              ? FileKind::unknown
                    : length < start.size() ? FileKind::pickle
                                            : FileKind::legacy);
  }
}

TEST(DescribeStart, QuotesTheFirstBytes) {
  EXPECT_EQ(describe_start(*source_of("")), "the file is empty");
  EXPECT_EQ(describe_start(*source_of("abc")), "it starts with 61 62 63 \"abc\"");
  EXPECT_EQ(describe_start(*source_of("\x01\x02\x80"s)), "it starts with 01 02 80");
  EXPECT_EQ(describe_start(*source_of("\x01 longer than eight")),
            "it starts with 01 20 6c 6f 6e 67 65 72 \". longer\"");
}

TEST(DescribeStart, SaysWhatSuchFilesUsuallyAre) {
  const auto says = [](std::string bytes, std::string_view words) {
    const std::string text = describe_start(*source_of(bytes));
    EXPECT_NE(text.find(words), std::string::npos) << text;
  };
  says("\x1F\x8B\x08\x00"s, "gzip");
  says("BZh91AY"s, "bzip2: unpack");
  says("\xFD\x37zXZ\x00"s, "xz: unpack");
  says("\x28\xB5\x2F\xFD"s, "zstd: unpack");
  says("\x04\x22\x4D\x18"s, "lz4: unpack");
  says("\x20\x00\x00\x00TFL3"s, "TensorFlow Lite");
  says("\x30\x00\x00\x00"
       "ET12\x00"s,
       "ExecuTorch");
  says("\x08\x08\x12\x07pytorch\x1A\x05"s + "2.13.0", "ONNX");
  says("\x89HDF\r\n\x1A\n"s, "HDF5");
  says("<!DOCTYPE html>", "HTML");
  says("\n <html>", "HTML");
  says("version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull");
  says(std::string(600, '\0'), "zeros only");
  says("\x93NUMPY\x01\x00"s, "NumPy");
  says("GGUF\x03"s, "GGUF");
  says("PK\x05\x06"s + std::string(18, '\0'), "an empty zip archive");
  says(
      "\x7F"
      "ELF\x02",
      "shared library");
}

TEST(DescribeStart, KnowsFilesOfOthers) {
  EXPECT_TRUE(is_of_others(*source_of("GGUF\x03"s)));
  EXPECT_FALSE(is_of_others(*source_of("")));
  EXPECT_FALSE(is_of_others(*source_of(std::string(600, '\0'))));
  EXPECT_FALSE(is_of_others(*source_of("some text")));
  EXPECT_FALSE(is_of_others(*source_of("\x08\x08\x12\x07py\x01orch"s))) << "the name of a program is text";
  EXPECT_FALSE(is_of_others(*source_of("\x08\x08\x12\x07pyt"s))) << "cut";
}

}  // namespace
}  // namespace torchferry
