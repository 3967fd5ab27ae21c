#include <fcntl.h>
#include <stdlib.h>
#include <torchferry/error.h>
#include <torchferry/spool_file.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace torchferry {
namespace {

Error refused(const std::filesystem::path& folder, const char* what, int error) {
  return Error(ErrorCode::io, folder.native(), {}, std::nullopt,
               std::string(what) + " (" + std::generic_category().message(error) +
                   "); name another folder for temporary files");
}

/// For file systems that cannot make files without a name.
int create_and_unlink(const std::filesystem::path& folder) {
  std::string name = (folder / "torchferry-XXXXXX").native();
  const int descriptor = ::mkostemp(name.data(), O_CLOEXEC);
  if (descriptor >= 0) ::unlink(name.c_str());
  return descriptor;
}

}  // namespace

SpoolFile SpoolFile::create(const std::filesystem::path& folder) {
  int descriptor = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    descriptor = create_and_unlink(folder);
  }
  if (descriptor < 0) throw refused(folder, "no temporary file can be made here", errno);
  return {descriptor, folder};
}

SpoolFile::SpoolFile(SpoolFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), folder_(std::move(other.folder_)) {}

SpoolFile::~SpoolFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void SpoolFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      throw refused(folder_, "a temporary file here cannot be written", errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

std::filesystem::path SpoolFile::path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

}  // namespace torchferry
