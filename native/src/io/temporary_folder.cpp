#include "io/temporary_folder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <torchferry/error.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace torchferry {
namespace {

Error refused(const std::filesystem::path& place, const std::string& what, int error) {
  return Error(ErrorCode::io, place.native(), {}, std::nullopt,
               what + " (" + std::generic_category().message(error) + "); name another folder for temporary files");
}

std::filesystem::path usual_parent() {
  const char* const named = ::getenv("TMPDIR");
  return named != nullptr && *named != '\0' ? named : "/tmp";
}

}  // namespace

TemporaryFolder TemporaryFolder::create(const std::filesystem::path& parent) {
  const std::filesystem::path where = std::filesystem::absolute(parent.empty() ? usual_parent() : parent);
  std::string name = (where / "torchferry-XXXXXX").native();
  if (::mkdtemp(name.data()) == nullptr) throw refused(where, "no temporary folder can be made here", errno);
  return TemporaryFolder(std::filesystem::path(name));
}

TemporaryFolder::TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;  // what a leftover costs is space, and there is nobody to tell
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

void TemporaryFolder::write(const std::filesystem::path& name, std::span<const std::byte> bytes) const {
  const std::filesystem::path file = path_ / name;
  std::error_code failed;
  std::filesystem::create_directories(file.parent_path(), failed);
  if (failed) throw refused(file.parent_path(), "no temporary folder can be made here", failed.value());
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) throw refused(file, "no temporary file can be made here", errno);
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      ::close(descriptor);
      throw refused(file, "a temporary file here cannot be written", error);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  ::close(descriptor);
}

void require_executable(const std::filesystem::path& folder) {
  struct statvfs system {};
  if (::statvfs(folder.c_str(), &system) == 0 && (system.f_flag & ST_NOEXEC) != 0) {
    throw Error(ErrorCode::io, folder.native(), {}, std::nullopt,
                "the file system is mounted noexec, so no shared library can be loaded from here; name another folder "
                "for temporary files");
  }
}

}  // namespace torchferry
