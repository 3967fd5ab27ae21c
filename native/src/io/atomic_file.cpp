#include "io/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <torchferry/error.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <limits>
#include <random>
#include <system_error>
#include <utility>

namespace torchferry {
namespace {

/// Bytes of a file name that ours may take; every usual file system allows 255.
constexpr std::size_t kNameBytes = 255;
/// What Linux writes in one call at most.
constexpr std::size_t kWriteBytes = 0x7FFFF000;
constexpr int kMostLinks = 40;
constexpr int kMostNames = 100;

std::string system_text(int error) { return std::generic_category().message(error); }

Error io_error(const std::string& name, std::string message) {
  return Error(ErrorCode::io, name, {}, std::nullopt, std::move(message));
}

/// The path that writing to `path` would write to: absolute, with the links at its end followed.
std::filesystem::path followed(const std::filesystem::path& path, const std::string& name) {
  std::error_code failure;
  std::filesystem::path target = std::filesystem::absolute(path, failure);
  for (int links = 0; !failure && links < kMostLinks; ++links) {
    if (!std::filesystem::is_symlink(std::filesystem::symlink_status(target, failure))) return target;
    const std::filesystem::path link = std::filesystem::read_symlink(target, failure);
    target = target.parent_path() / link;
  }
  if (failure) throw io_error(name, "cannot be written: " + failure.message());
  throw io_error(name, "the path has too many symbolic links, perhaps a loop; check where they point");
}

/// A name beside `target` that nobody else chooses: hidden, and recognisable should the process be killed.
std::filesystem::path neighbour_of(const std::filesystem::path& target) {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), random(), 16).ptr;
  const std::string suffix = "." + std::string(digits.data(), end) + ".saving";
  const std::string base = target.filename().native().substr(0, kNameBytes - 1 - suffix.size());
  return target.parent_path() / ("." + base + suffix);
}

/// Folders of some file systems cannot be brought to the disk, which is then not ours to report.
bool is_unsupported(int error) { return error == EINVAL || error == ENOTSUP || error == ENOSYS; }

}  // namespace

AtomicFile::AtomicFile(const std::filesystem::path& path) : name_(path.native()) {
  if (name_.find('\0') != std::string::npos) {
    throw Error(ErrorCode::invalid_argument, name_.substr(0, name_.find('\0')), {}, std::nullopt,
                "the path contains a NUL character");
  }
  if (!path.has_filename()) throw io_error(name_, "names no file; add a file name");
  target_ = followed(path, name_);
  struct stat status{};
  unsigned permissions = 0666;
  if (::stat(target_.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) throw io_error(name_, "is a directory; name a file inside it");
    if (!S_ISREG(status.st_mode)) {
      throw io_error(name_,
                     "not a regular file (a pipe, a socket or a device); save to a file and copy it there");
    }
    keeps_permissions_ = true;
    permissions = status.st_mode & 07777;
  }
  create(permissions);
}

void AtomicFile::create(unsigned permissions) {
  for (int names = 0; names < kMostNames; ++names) {
    temporary_ = neighbour_of(target_);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY,
                         keeps_permissions_ ? 0600 : permissions);
    if (descriptor_ >= 0 || (errno != EEXIST && errno != EINTR)) break;
  }
  if (descriptor_ < 0) {
    const int error = errno;
    temporary_.clear();
    const std::string folder = target_.parent_path().native();
    if (error == ENOENT) throw io_error(name_, "the folder " + folder + " does not exist; create it first");
    fail("no file can be made in the folder " + folder, error);
  }
  if (keeps_permissions_ && ::fchmod(descriptor_, static_cast<mode_t>(permissions)) != 0 && errno != EPERM) {
    const int error = errno;
    close_file();
    ::unlink(temporary_.c_str());
    fail("its permissions cannot be kept", error);
  }
}

AtomicFile::~AtomicFile() {
  close_file();
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::close_file() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

void AtomicFile::fail(const std::string& what, int error) const {
  std::string cure;
  if (error == ENOSPC || error == EDQUOT) cure = "; the disk is full: free some space or save elsewhere";
  if (error == EFBIG)
    cure = "; files may not be as large here: raise the limit (ulimit -f) or save elsewhere";
  if (error == EACCES || error == EPERM || error == EROFS) cure = "; save where this user may write";
  throw io_error(name_, what + " (" + system_text(error) + ")" + cure);
}

void AtomicFile::reserve(std::uint64_t bytes) {
  if (bytes == 0 || bytes > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) return;
  int result;
  do {
    result = ::fallocate(descriptor_, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  if (result != 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
    fail("its " + std::to_string(bytes) + " bytes cannot be written", errno);
  }
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), std::min(bytes.size(), kWriteBytes));
    if (written < 0) {
      if (errno == EINTR) continue;
      fail("cannot be written", errno);
    }
    written_ += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::finish() {
  if (descriptor_ < 0) return;
  int result;
  do {
    result = ::fsync(descriptor_);
  } while (result != 0 && errno == EINTR);
  if (result != 0) fail("cannot be brought to the disk", errno);
  // Network file systems report the last writes' failures here.
  if (::close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR) fail("cannot be written", errno);
}

void AtomicFile::commit() {
  finish();
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("cannot be replaced", errno);
  temporary_.clear();
  const std::string folder = target_.parent_path().native();
  const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return;  // a folder that may be written to but not read
  const int result = ::fsync(opened);
  const int error = errno;
  ::close(opened);
  if (result != 0 && !is_unsupported(error)) {
    fail("is saved, but its folder " + folder + " cannot be brought to the disk", error);
  }
}

}  // namespace torchferry
