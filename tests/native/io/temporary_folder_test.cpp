#include "io/temporary_folder.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "container/zip_builder.h"
#include "io/error_of.h"
#include "io/temp_file.h"

namespace torchferry::testing {
namespace {

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Where a file system is mounted noexec, as /proc mostly is; empty: nowhere.
std::string noexec_folder() {
  std::ifstream mounts("/proc/mounts");
  std::string device, folder, type, options, rest;
  while (mounts >> device >> folder >> type >> options && std::getline(mounts, rest)) {
    struct statvfs system {};
    if (::statvfs(folder.c_str(), &system) == 0 && (system.f_flag & ST_NOEXEC) != 0) return folder;
  }
  return {};
}

TEST(TemporaryFolderTest, IsThereAsLongAsTheObject) {
  const TempDirectory parent;
  std::filesystem::path path;
  {
    TemporaryFolder first = TemporaryFolder::create(parent.path());
    first.write("a/b/file", as_bytes("text"));
    first.write("empty", {});
    const TemporaryFolder folder = std::move(first);
    path = folder.path();
    EXPECT_EQ(path.parent_path(), parent.path());
    EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms::owner_all);
    EXPECT_EQ(content_of(path / "a/b/file"), "text");
    EXPECT_NE(TemporaryFolder::create(parent.path()).path(), path);
    expect_error(ErrorCode::io, "no temporary file can be made here (File exists)",
                 [&] { folder.write("a/b/file", as_bytes("again")); });
    EXPECT_EQ(content_of(path / "a/b/file"), "text");
    expect_error(ErrorCode::io, "no temporary folder can be made here", [&] { folder.write("empty/c", {}); });
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  expect_error(ErrorCode::io, "no temporary folder can be made here (No such file or directory); name another folder",
               [&] { TemporaryFolder::create(parent / "missing"); });
}

TEST(TemporaryFolderTest, IsBelowTheUsualFolderUnlessOneIsNamed) {
  const char* const named = ::getenv("TMPDIR");
  const std::filesystem::path usual = named != nullptr && *named != '\0' ? named : "/tmp";
  EXPECT_TRUE(std::filesystem::equivalent(TemporaryFolder::create({}).path().parent_path(), usual));
}

TEST(TemporaryFolderTest, FindsOutWhereLibrariesCannotBeLoaded) {
  const TemporaryFolder folder = TemporaryFolder::create({});
  require_executable(folder.path());
  const std::string noexec = noexec_folder();
  if (noexec.empty()) GTEST_SKIP() << "no file system is mounted noexec here";
  expect_error(ErrorCode::io, noexec + ": the file system is mounted noexec", [&] { require_executable(noexec); });
}

}  // namespace
}  // namespace torchferry::testing
