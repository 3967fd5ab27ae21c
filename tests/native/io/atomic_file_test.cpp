#include "io/atomic_file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <torchferry/error.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "io/byte_source.h"
#include "io/error_of.h"
#include "io/temp_file.h"

namespace torchferry {
namespace {

using testing::error_of;
using testing::expect_error;
using testing::TempDirectory;
using testing::write_file;

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> names_in(const std::filesystem::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.insert(entry.path().filename());
  return names;
}

unsigned permissions_of(const std::filesystem::path& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_mode & 07777;
}

void save(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(as_bytes(text));
  file.commit();
}

/// Files of this process may not grow beyond `bytes` while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    old_handler_ = ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit before_{};
  void (*old_handler_)(int);
};

TEST(AtomicFile, AppearsAtCommit) {
  const TempDirectory folder;
  {
    AtomicFile file(folder / "new.pt");
    file.write(as_bytes("first "));
    file.write(as_bytes("second"));
    EXPECT_FALSE(std::filesystem::exists(folder / "new.pt"));
    file.commit();
  }
  EXPECT_EQ(content_of(folder / "new.pt"), "first second");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"new.pt"});
}

TEST(AtomicFile, ReplacesInOneStep) {
  const TempDirectory folder;
  write_file(folder / "model.pt", "the old content");
  const auto old = open_file(folder / "model.pt");
  const auto mapping = old->map();
  {
    AtomicFile file(folder / "model.pt");
    file.write(as_bytes("new"));
    EXPECT_EQ(content_of(folder / "model.pt"), "the old content");
    file.commit();
  }
  EXPECT_EQ(content_of(folder / "model.pt"), "new");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"model.pt"});
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(mapping.get()), 15), "the old content");
}

TEST(AtomicFile, WithoutCommitNothingHappened) {
  const TempDirectory folder;
  write_file(folder / "model.pt", "old");
  {
    AtomicFile replaced(folder / "model.pt");
    replaced.write(as_bytes("new"));
    AtomicFile fresh(folder / "fresh.pt");
    fresh.write(as_bytes("new"));
  }
  EXPECT_EQ(content_of(folder / "model.pt"), "old");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"model.pt"});
}

TEST(AtomicFile, TheLastOfSeveralWritersWins) {
  const TempDirectory folder;
  AtomicFile first(folder / "model.pt");
  AtomicFile second(folder / "model.pt");
  first.write(as_bytes("first"));
  second.write(as_bytes("second"));
  second.commit();
  first.commit();
  EXPECT_EQ(content_of(folder / "model.pt"), "first");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"model.pt"});
}

TEST(AtomicFile, KeepsPermissionsAndGivesTheUsualOnes) {
  const TempDirectory folder;
  const mode_t mask = ::umask(027);
  save(folder / "new.pt", "x");
  ::umask(mask);
  EXPECT_EQ(permissions_of(folder / "new.pt"), 0640U);
  ::chmod((folder / "new.pt").c_str(), 0604);
  save(folder / "new.pt", "y");
  EXPECT_EQ(permissions_of(folder / "new.pt"), 0604U);
}

TEST(AtomicFile, FollowsLinks) {
  const TempDirectory folder;
  std::filesystem::create_directory(folder / "real");
  write_file(folder / "real/model.pt", "old");
  std::filesystem::create_symlink("real/model.pt", folder / "relative.pt");
  std::filesystem::create_symlink(folder / "relative.pt", folder / "link.pt");
  save(folder / "link.pt", "new");
  EXPECT_EQ(content_of(folder / "real/model.pt"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link.pt"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "relative.pt"));

  std::filesystem::create_symlink("real/absent.pt", folder / "dangling.pt");
  save(folder / "dangling.pt", "made");
  EXPECT_EQ(content_of(folder / "real/absent.pt"), "made");

  std::filesystem::create_symlink("loop.pt", folder / "loop.pt");
  expect_error(ErrorCode::io, "symbolic links", [&] { AtomicFile(folder / "loop.pt"); });
}

TEST(AtomicFile, LongAndOddNamesAreSaved) {
  const TempDirectory folder;
  for (const std::string& name : {std::string(255, 'n'), std::string(".pt"),
                                  std::string("sp ace\n\xC3\xA9\xFF.pt"), std::string("%2e.pt")}) {
    save(folder / name, name);
    EXPECT_EQ(content_of(folder / name), name);
  }
  EXPECT_EQ(names_in(folder.path()).size(), 4U);
}

TEST(AtomicFile, RefusesWhatIsNoFile) {
  const TempDirectory folder;
  expect_error(ErrorCode::io, "does not exist; create it first", [&] { AtomicFile(folder / "absent/x.pt"); });
  expect_error(ErrorCode::io, "is a directory", [&] { AtomicFile(folder.path()); });
  expect_error(ErrorCode::io, "names no file", [&] { AtomicFile(folder / ""); });
  expect_error(ErrorCode::io, "names no file", [] { AtomicFile(""); });
  expect_error(ErrorCode::io, "not a regular file", [] { AtomicFile("/dev/null"); });
  expect_error(ErrorCode::invalid_argument, "NUL", [] { AtomicFile(std::string("a\0b", 3)); });
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  expect_error(ErrorCode::io, "not a regular file", [&] { AtomicFile(folder / "pipe"); });
  write_file(folder / "file", "x");
  expect_error(ErrorCode::io, "no file can be made", [&] { AtomicFile(folder / "file/x.pt"); });
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"file", "pipe"}));
}

TEST(AtomicFile, AFolderThatMayNotBeWrittenToKeepsItsFile) {
  const TempDirectory folder;
  write_file(folder / "model.pt", "old");
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0555));
  const bool is_root = ::geteuid() == 0;  // who may write anywhere
  ASSERT_TRUE(!is_root || ::seteuid(65'534) == 0);
  const Error error = error_of([&] { AtomicFile(folder / "model.pt"); });
  ASSERT_TRUE(!is_root || ::seteuid(0) == 0);
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
  EXPECT_EQ(error.code(), ErrorCode::io);
  EXPECT_NE(error.message().find("save where this user may write"), std::string::npos) << error.what();
  EXPECT_EQ(error.file(), (folder / "model.pt").native());
  EXPECT_EQ(content_of(folder / "model.pt"), "old");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"model.pt"});
}

TEST(AtomicFile, AFailedWriteKeepsTheOldContent) {
  const TempDirectory folder;
  write_file(folder / "model.pt", "old");
  {
    const FileSizeLimit limit(100'000);
    expect_error(ErrorCode::io, "ulimit -f", [&] { save(folder / "model.pt", std::string(200'000, 'x')); });
    save(folder / "small.pt", "fits");
  }
  EXPECT_EQ(content_of(folder / "model.pt"), "old");
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"model.pt", "small.pt"}));
}

TEST(AtomicFile, RoomThatIsNotThereIsFoundAtOnce) {
  const TempDirectory folder;
  write_file(folder / "model.pt", "old");
  AtomicFile file(folder / "model.pt");
  expect_error(ErrorCode::io, "cannot be written", [&] { file.reserve(std::uint64_t{1} << 62); });
}

TEST(AtomicFile, ReservedRoomDoesNotMakeTheFileLonger) {
  const TempDirectory folder;
  AtomicFile file(folder / "model.pt");
  file.reserve(1 << 20);
  file.write(as_bytes("short"));
  file.commit();
  EXPECT_EQ(content_of(folder / "model.pt"), "short");
}

}  // namespace
}  // namespace torchferry
