#include <gtest/gtest.h>

#include <filesystem>

#include "io/error_of.h"
#include "io/temp_file.h"
#include "table/pickle_text.h"

// Sums of a file's parts.

namespace torchferry::testing {
namespace {

const CheckedPart& part_named(const Verification& checked, std::string_view name) {
  for (const CheckedPart& part : checked.parts) {
    if (part.name == name) return part;
  }
  throw std::runtime_error("no part " + std::string(name));
}

std::string big_floats() { return floats(3 << 20); }

Pickle big_tensor() { return tensor({.numel = 3 << 20, .size = {3 << 20}}); }

TEST(VerifyTest, EveryRecordOfASoundArchiveMatches) {
  for (const unsigned threads : {0U, 1U, 3U}) {
    const Checkpoint checkpoint = open_bytes(archive(big_tensor(), {{"0", big_floats()}}));
    const auto progress = std::make_shared<Progress>();
    const Verification checked = checkpoint.verify({threads, progress});
    EXPECT_TRUE(checked.sound());
    ASSERT_EQ(checked.parts.size(), 4u);
    for (const CheckedPart& part : checked.parts) EXPECT_EQ(part.result, Check::matches) << part.name;
    EXPECT_EQ(part_named(checked, "archive/data/0").bytes, 12u << 20);
    EXPECT_EQ(progress->done, progress->total);
    EXPECT_GT(progress->total, 12u << 20);
  }
}

TEST(VerifyTest, DamageIsReportedPartByPart) {
  ZipBuilder zip;
  zip.add("a/data.pkl", "\x80\x02" + tensor({}) + ".");
  zip.add(ZipEntry{.name = "a/data/0", .payload = floats(6), .crc = 12345});
  zip.add(ZipEntry{.name = "a/extra", .payload = "abc", .crc = 0});
  zip.add_deflated("a/more", floats(100));
  zip.add("a/empty", "");
  zip.add("a/version", "3\n");
  const Verification checked = open_bytes(zip.bytes()).verify();
  EXPECT_FALSE(checked.sound());
  const CheckedPart& damaged = part_named(checked, "a/data/0");
  EXPECT_EQ(damaged.result, Check::damaged);
  EXPECT_NE(damaged.problem.find("CRC-32"), std::string::npos);
  EXPECT_EQ(part_named(checked, "a/extra").result, Check::unrecorded);
  EXPECT_EQ(part_named(checked, "a/more").result, Check::matches);
  EXPECT_EQ(part_named(checked, "a/more").bytes, 400u);
  EXPECT_EQ(part_named(checked, "a/empty").result, Check::matches);
}

TEST(VerifyTest, AFileThatWasCutWhileOpenIsDamaged) {
  const TempDirectory folder;
  const auto file = write_file(folder / "model.pt", archive(big_tensor(), {{"0", big_floats()}}));
  const Checkpoint checkpoint = Checkpoint::open(file);
  std::filesystem::resize_file(file, 1 << 20);
  const Verification checked = checkpoint.verify();
  EXPECT_EQ(part_named(checked, "archive/data/0").result, Check::damaged);
  EXPECT_NE(part_named(checked, "archive/data/0").problem.find("shorter"), std::string::npos);
}

TEST(VerifyTest, FormatsWithoutSumsAreReadAndSaidToHaveNone) {
  std::string header = R"({"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}})";
  std::string bytes;
  append_le(bytes, header.size(), 8);
  const Verification checked = open_bytes(bytes + header + floats(6)).verify();
  EXPECT_TRUE(checked.sound());
  ASSERT_EQ(checked.parts.size(), 1u);
  EXPECT_EQ(checked.parts[0].result, Check::unrecorded);
  EXPECT_EQ(checked.parts[0].bytes, 24u);
}

TEST(VerifyTest, CanBeStopped) {
  const Checkpoint checkpoint = open_bytes(archive(big_tensor(), {{"0", big_floats()}}));
  const auto progress = std::make_shared<Progress>();
  progress->cancel = true;
  expect_error(ErrorCode::cancelled, "cancelled", [&] { checkpoint.verify({0, progress}); });
}

}  // namespace
}  // namespace torchferry::testing
