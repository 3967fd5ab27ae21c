#include "io/byte_source.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include "io/error_of.h"
#include "io/temp_file.h"

namespace torchferry {
namespace {

using testing::error_of;
using testing::expect_error;
using testing::TempDirectory;
using testing::write_at;
using testing::write_file;

std::string text_at(const ByteSource& source, std::uint64_t offset, std::size_t length) {
  std::string text(length, '?');
  source.read_at(offset, std::as_writable_bytes(std::span(text)));
  return text;
}

std::string mapped_text(const std::shared_ptr<const std::byte>& map, std::size_t length) {
  return {reinterpret_cast<const char*>(map.get()), length};
}

/// Both kinds of source keep the same promises.
class AnySource : public ::testing::TestWithParam<std::string> {
 protected:
  std::shared_ptr<const ByteSource> open(const std::string& content) {
    if (GetParam() == "file") return open_file(write_file(directory_ / "any", content));
    auto kept = std::make_shared<const std::string>(content);
    return memory_source(std::as_bytes(std::span(*kept)), kept, "any");
  }
  TempDirectory directory_;
};

TEST_P(AnySource, ReadsAnyRangeInside) {
  const auto source = open("0123456789");
  EXPECT_EQ(source->size(), 10U);
  EXPECT_EQ(text_at(*source, 0, 10), "0123456789");
  EXPECT_EQ(text_at(*source, 3, 4), "3456");
  EXPECT_EQ(text_at(*source, 9, 1), "9");
  EXPECT_EQ(text_at(*source, 10, 0), "");
}

TEST_P(AnySource, RefusesRangesThatPassTheEnd) {
  const auto source = open("0123456789");
  std::array<std::byte, 4> out{};
  for (const std::uint64_t offset :
       {std::uint64_t{7}, std::uint64_t{11}, ~std::uint64_t{0}, ~std::uint64_t{0} - 3}) {
    const Error error = error_of([&] { source->read_at(offset, out); });
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_EQ(error.file(), source->name());
    EXPECT_EQ(error.offset(), offset);
  }
  expect_error(ErrorCode::corrupt, "passes the end", [&] { source->read_at(11, {}); });
}

TEST_P(AnySource, MapOutlivesTheSource) {
  auto source = open("0123456789");
  auto map = source->map();
  source.reset();
  EXPECT_EQ(mapped_text(map, 10), "0123456789");
}

TEST_P(AnySource, EmptyHasANonNullMap) {
  const auto source = open("");
  EXPECT_EQ(source->size(), 0U);
  EXPECT_NE(source->map(), nullptr);
  source->read_at(0, {});
  EXPECT_EQ(error_of([&] {
              std::byte one;
              source->read_at(0, {&one, 1});
            }).code(),
            ErrorCode::corrupt);
}

TEST_P(AnySource, SharesOneMap) {
  const auto source = open("0123456789");
  const auto first = source->map();
  EXPECT_EQ(first.get(), source->map().get());
}

TEST_P(AnySource, IsReadByManyThreads) {
  std::string content(100'000, ' ');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>('a' + i % 23);
  const auto source = open(content);
  std::array<int, 4> wrong{};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t offset = t; offset + 64 <= content.size(); offset += 20'997) {
        wrong[t] += text_at(*source, offset, 64) != content.substr(offset, 64);
        wrong[t] += mapped_text(source->map(), content.size()) != content;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : wrong) EXPECT_EQ(count, 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, AnySource, ::testing::Values("file", "memory"),
                         [](const auto& parameter) { return parameter.param; });

TEST(MemorySource, HasTheNameGivenAndKeepsItsOwner) {
  auto owner = std::make_shared<const std::string>("bytes");
  const std::weak_ptr<const std::string> watched = owner;
  auto source = memory_source(std::as_bytes(std::span(*owner)), owner, "a buffer");
  EXPECT_EQ(source->name(), "a buffer");
  EXPECT_FALSE(source->can_map_privately());
  EXPECT_EQ(source->map_private(), nullptr);
  owner.reset();
  auto map = source->map();
  source.reset();
  EXPECT_FALSE(watched.expired());
  EXPECT_EQ(mapped_text(map, 5), "bytes");
  map.reset();
  EXPECT_TRUE(watched.expired());
}

TEST(MemorySource, NeedsNoOwner) {
  static const std::string lasting = "lasting";
  const auto source = memory_source(std::as_bytes(std::span(lasting)), nullptr, "static");
  EXPECT_EQ(mapped_text(source->map(), 7), "lasting");
}

TEST(WindowSource, IsAPartUnderTheSameName) {
  const TempDirectory directory;
  const auto base = open_file(write_file(directory / "file", "0123456789"));
  const auto window = window_source(base, 3, 4);
  EXPECT_EQ(window->size(), 4U);
  EXPECT_EQ(window->name(), base->name());
  EXPECT_EQ(text_at(*window, 1, 3), "456");
  EXPECT_EQ(mapped_text(window->map(), 4), "3456");
  const auto own = window->map_private();
  *own = std::byte{'X'};
  EXPECT_EQ(mapped_text(own, 4), "X456");
  EXPECT_EQ(mapped_text(window->map(), 4), "3456");
  expect_error(ErrorCode::corrupt, "passes the end", [&] { text_at(*window, 2, 3); });
  EXPECT_EQ(window_source(base, 10, 0)->size(), 0U);
  expect_error(ErrorCode::corrupt, "passes the end", [&] { window_source(base, 8, 3); });
  expect_error(ErrorCode::corrupt, "passes the end", [&] { window_source(base, ~std::uint64_t{0}, 2); });
}

TEST(FileSource, SaysWhatIsWrongWithThePath) {
  const TempDirectory directory;
  const auto file = write_file(directory / "file", "x");
  const auto open = [](const std::filesystem::path& path) { return [path] { open_file(path); }; };
  expect_error(ErrorCode::io, "there is no such file", open(directory / "missing"));
  expect_error(ErrorCode::io, "there is no such file", open(""));
  expect_error(ErrorCode::io, "is not a directory", open(file / "below"));
  expect_error(ErrorCode::io, "is a directory", open(directory.path()));
  expect_error(ErrorCode::io, "not a regular file", open("/dev/null"));
  expect_error(ErrorCode::io, "cannot be opened", open(directory / std::string(5'000, 'n')));
  expect_error(ErrorCode::invalid_argument, "NUL", open(std::string("file\0.pt", 8)));
  EXPECT_EQ(error_of(open(directory / "missing")).file(), (directory / "missing").native());

  std::filesystem::create_symlink(directory / "loop", directory / "loop");
  expect_error(ErrorCode::io, "symbolic links", open(directory / "loop"));
}

TEST(FileSource, DoesNotWaitForAPipeAndRefusesASocket) {
  const TempDirectory directory;
  const auto pipe = directory / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  expect_error(ErrorCode::io, "not a regular file", [&] { open_file(pipe); });

  const auto path = directory / "socket";
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_GE(descriptor, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.native().size(), sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  ASSERT_EQ(::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  expect_error(ErrorCode::io, "not a regular file", [&] { open_file(path); });
  ::close(descriptor);
}

/// Gives up root's right to read everything for a while; does nothing for other users.
class OrdinaryUser {
 public:
  OrdinaryUser() : was_(::geteuid()) { good_ = was_ != 0 || ::seteuid(65'534) == 0; }
  OrdinaryUser(const OrdinaryUser&) = delete;
  OrdinaryUser& operator=(const OrdinaryUser&) = delete;
  ~OrdinaryUser() { EXPECT_EQ(::seteuid(was_), 0); }
  bool good() const noexcept { return good_; }

 private:
  uid_t was_;
  bool good_;
};

TEST(FileSource, SaysWhenItMayNotBeRead) {
  const TempDirectory directory;
  const auto file = write_file(directory / "secret", "x");
  ASSERT_EQ(::chmod(file.c_str(), 0), 0);
  const OrdinaryUser user;
  ASSERT_TRUE(user.good());
  expect_error(ErrorCode::io, "read permission", [&] { open_file(file); });
}

TEST(FileSource, TakesAnyName) {
  const TempDirectory directory;
  for (const std::string name : {"with blank.pt", "новая модель.pt", "模型\U0001F680.pt", "caf\xE9.pt",
                                 "\xFF\xFE", "line\nbreak", "-rf", "quote\"'\\.pt"}) {
    const auto source = open_file(write_file(directory / name, name));
    EXPECT_EQ(source->name(), (directory / name).native());
    EXPECT_EQ(text_at(*source, 0, name.size()), name);
  }
}

TEST(FileSource, FollowsLinks) {
  const TempDirectory directory;
  const auto file = write_file(directory / "file", "content");
  std::filesystem::create_symlink(file, directory / "link");
  EXPECT_EQ(text_at(*open_file(directory / "link"), 0, 7), "content");
}

TEST(FileSource, IsClosedOnExecAndWithItsSource) {
  const TempDirectory directory;
  const auto file = write_file(directory / "file", "x");
  const int expected = ::dup(0);
  ASSERT_GE(expected, 0);
  ::close(expected);
  auto source = open_file(file);
  EXPECT_EQ(::fcntl(expected, F_GETFD), FD_CLOEXEC);
  source.reset();
  EXPECT_EQ(::fcntl(expected, F_GETFD), -1);
  EXPECT_EQ(errno, EBADF);
}

TEST(FileSource, NoticesThatTheFileHasBecomeShorter) {
  const TempDirectory directory;
  const auto file = write_file(directory / "file", std::string(10'000, 'x'));
  const auto source = open_file(file);
  std::filesystem::resize_file(file, 4'000);
  std::vector<std::byte> out(2'000);
  source->read_at(0, out);
  const Error error = error_of([&] { source->read_at(3'000, out); });
  EXPECT_EQ(error.code(), ErrorCode::io);
  EXPECT_EQ(error.offset(), 4'000U);
  EXPECT_NE(error.message().find("has become shorter since it was opened"), std::string::npos)
      << error.what();
  expect_error(ErrorCode::io, "has become shorter since it was opened", [&] { source->read_at(8'000, out); });
  expect_error(ErrorCode::io, "has become shorter since it was opened", [&] { source->map(); });
}

TEST(FileSource, KeepsTheSizeKnownAtOpening) {
  const TempDirectory directory;
  const auto file = write_file(directory / "file", "0123456789");
  const auto source = open_file(file);
  write_at(file, 10, "more");
  EXPECT_EQ(source->size(), 10U);
  expect_error(ErrorCode::corrupt, "passes the end", [&] { text_at(*source, 8, 4); });
}

TEST(FileSource, OutlivesTheNameOfItsFile) {
  const TempDirectory directory;
  const auto file = write_file(directory / "file", "still here");
  const auto source = open_file(file);
  std::filesystem::remove(file);
  EXPECT_EQ(text_at(*source, 0, 10), "still here");
  EXPECT_EQ(mapped_text(source->map(), 10), "still here");
}

TEST(FileSource, WritesToAPrivateMapAreSeenByItsHolderAlone) {
  const TempDirectory directory;
  const auto file = write_file(directory / "file", "0123456789");
  ASSERT_EQ(::chmod(file.c_str(), 0400), 0);
  const auto source = open_file(file);
  ASSERT_TRUE(source->can_map_privately());
  const auto map = source->map_private();
  const auto other = source->map_private();
  *map = std::byte{'X'};
  EXPECT_EQ(mapped_text(map, 10), "X123456789");
  EXPECT_EQ(mapped_text(other, 10), "0123456789");
  EXPECT_EQ(mapped_text(source->map(), 10), "0123456789");
  EXPECT_EQ(mapped_text(source->map_private(), 10), "0123456789");
  EXPECT_EQ(text_at(*source, 0, 10), "0123456789");
  EXPECT_EQ(text_at(*open_file(file), 0, 10), "0123456789");
}

TEST(FileSource, UnmapsWithTheLastHolder) {
  const TempDirectory directory;
  const auto source = open_file(write_file(directory / "file", "0123456789"));
  for (const bool shared : {true, false}) {
    std::shared_ptr<const std::byte> map = source->map_private();
    if (shared) map = source->map();
    const auto address = map.get();
    auto other = map;
    map.reset();
    EXPECT_EQ(::msync(const_cast<std::byte*>(address), 1, MS_ASYNC), 0);
    other.reset();
    EXPECT_EQ(::msync(const_cast<std::byte*>(address), 1, MS_ASYNC), -1);
    EXPECT_EQ(errno, ENOMEM);
  }
}

TEST(FileSource, EmptyHasAPrivateMapToo) {
  const TempDirectory directory;
  EXPECT_NE(open_file(write_file(directory / "file", ""))->map_private(), nullptr);
}

TEST(FileSource, ReadsAndMapsBeyondFourGiB) {
  const TempDirectory directory;
  constexpr std::uint64_t far = (std::uint64_t{5} << 30) + 3;
  const auto file = directory / "sparse";
  write_at(file, far, "the end");
  const auto source = open_file(file);
  EXPECT_EQ(source->size(), far + 7);
  EXPECT_EQ(text_at(*source, far, 7), "the end");
  EXPECT_EQ(mapped_text({source->map(), source->map().get() + far}, 7), "the end");
}

TEST(NetworkFileSystems, AreKnownByTheirType) {
  for (const std::uint64_t type : {0x6969U, 0xFF534D42U, 0xFE534D42U, 0x65735546U, 0x0BD00BD0U, 0x01021997U}) {
    EXPECT_TRUE(is_network_file_system(type)) << std::hex << type;
  }
  for (const std::uint64_t type : {0xEF53U, 0x58465342U, 0x9123683EU, 0x01021994U, 0x794C7630U, 0U}) {
    EXPECT_FALSE(is_network_file_system(type)) << std::hex << type << ": ext4, XFS, Btrfs, tmpfs, overlay, none";
  }
}

}  // namespace
}  // namespace torchferry
