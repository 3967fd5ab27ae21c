#include <gtest/gtest.h>
#include <torchferry/spool_file.h>

#include <optional>

#include "io/byte_source.h"
#include "io/error_of.h"
#include "io/temp_file.h"

namespace torchferry::testing {
namespace {

std::string text_of(const ByteSource& source) {
  std::string text(source.size(), '\0');
  source.read_at(0, std::as_writable_bytes(std::span(text)));
  return text;
}

TEST(SpoolFileTest, HoldsBytesAndLeavesNothingBehind) {
  const TempDirectory folder;
  std::optional<SpoolFile> spool = SpoolFile::create(folder.path());
  spool->write(std::as_bytes(std::span(std::string_view("one, "))));
  spool->write(std::as_bytes(std::span(std::string_view("two"))));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  const auto source = open_file(spool->path(), "the stream");
  EXPECT_EQ(source->name(), "the stream");
  spool.reset();
  EXPECT_EQ(text_of(*source), "one, two");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(SpoolFileTest, AFolderThatIsNotThereIsToldWithTheCure) {
  const TempDirectory folder;
  expect_error(ErrorCode::io, "name another folder for temporary files", [&] { SpoolFile::create(folder / "missing"); });
}

}  // namespace
}  // namespace torchferry::testing
