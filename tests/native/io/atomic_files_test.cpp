#include "io/atomic_files.h"

#include <gtest/gtest.h>
#include <torchferry/error.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "io/error_of.h"
#include "io/temp_file.h"

namespace torchferry::testing {
namespace {

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> names_in(const std::filesystem::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.insert(entry.path().filename());
  return names;
}

void add(AtomicFiles& files, const std::filesystem::path& path, std::string_view text) {
  files.add(path).write(std::as_bytes(std::span(text.data(), text.size())));
}

TEST(AtomicFiles, AppearTogether) {
  const TempDirectory folder;
  AtomicFiles files;
  add(files, folder / "a", "1");
  add(files, folder / "b", "2");
  EXPECT_FALSE(std::filesystem::exists(folder / "a"));
  files.commit();
  EXPECT_EQ(content_of(folder / "a"), "1");
  EXPECT_EQ(content_of(folder / "b"), "2");
  EXPECT_EQ(names_in(folder.path()).size(), 2U);
}

TEST(AtomicFiles, WithoutCommitNothingHappened) {
  const TempDirectory folder;
  {
    AtomicFiles files;
    add(files, folder / "a", "1");
    expect_error(ErrorCode::io, "does not exist", [&] { files.add(folder / "absent/b"); });
  }
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(AtomicFiles, WhatIsInPlaceIsTakenAwayWhenALaterOneFails) {
  const TempDirectory folder;
  {
    AtomicFiles files;
    add(files, folder / "a", "1");
    add(files, folder / "b", "2");
    add(files, folder / "index", "3");
    std::filesystem::create_directory(folder / "index");  // nothing can be renamed to this any more
    EXPECT_EQ(error_of([&] { files.commit(); }).code(), ErrorCode::io);
  }
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"index"});
}

}  // namespace
}  // namespace torchferry::testing
