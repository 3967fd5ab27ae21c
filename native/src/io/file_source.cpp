#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <torchferry/error.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <system_error>
#include <utility>

#include "io/byte_source.h"
#include "io/descriptor.h"

namespace torchferry {
namespace {

std::string system_text(int error) { return std::generic_category().message(error); }

Error io_error(const std::string& file, std::string message) {
  return Error(ErrorCode::io, file, {}, std::nullopt, std::move(message));
}

std::string opening_failure(int error) {
  switch (error) {
    case ENOENT: return "there is no such file; check the path and the working directory";
    case ENOTDIR: return "a part of the path before the last is not a directory; check the path";
    case EACCES:
    case EPERM:
      return "the file may not be read (" + system_text(error) +
             "); give this user read permission on it and search permission on the directories above it";
    case ELOOP: return "the path has too many symbolic links, perhaps a loop; check where they point";
    case EMFILE: return "this process has too many open files; close some checkpoints or raise `ulimit -n`";
    case ENXIO: return "not a regular file; copy its content to one";
    default: return "cannot be opened: " + system_text(error);
  }
}

/// Reading goes through `pread`, which has no position to share, so threads need no lock but for
/// making the map.
class FileSource final : public ByteSource {
 public:
  FileSource(std::string name, Descriptor descriptor, std::uint64_t size)
      : ByteSource(std::move(name), size), descriptor_(std::move(descriptor)) {
    struct statfs system {};
    is_remote_ = ::fstatfs(descriptor_.get(), &system) == 0 &&
                 is_network_file_system(static_cast<std::uint32_t>(system.f_type));
  }

  void read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    require_range(offset, out.size());
    while (!out.empty()) {
      const ssize_t got = ::pread(descriptor_.get(), out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0) {
        if (errno == EINTR) continue;
        throw Error(ErrorCode::io, name(), {}, offset, "cannot be read: " + system_text(errno));
      }
      if (got == 0) throw has_become_shorter(offset);
      offset += static_cast<std::uint64_t>(got);
      out = out.subspan(static_cast<std::size_t>(got));
    }
  }

  std::shared_ptr<const std::byte> map() const override {
    if (size() == 0) return empty_map();
    const std::lock_guard lock(mapping_mutex_);
    if (auto mapping = mapping_.lock()) return mapping;
    std::shared_ptr<const std::byte> mapping = make_mapping(PROT_READ);
    mapping_ = mapping;
    return mapping;
  }

  std::shared_ptr<std::byte> map_private() const override {
    return size() == 0 ? empty_map() : make_mapping(PROT_READ | PROT_WRITE);
  }

  bool can_map_privately() const noexcept override { return true; }
  bool is_remote() const noexcept override { return is_remote_; }

 private:
  Error has_become_shorter(std::uint64_t offset) const {
    return Error(
        ErrorCode::io, name(), {}, offset,
        "the file has become shorter since it was opened; open it again when its writer has finished");
  }

  /// Private, so that no write reaches the file; not reserved, so that a file larger than the memory can be
  /// mapped.
  std::shared_ptr<std::byte> make_mapping(int protection) const {
    struct stat now {};
    if (::fstat(descriptor_.get(), &now) != 0) {
      throw io_error(name(), "cannot be examined: " + system_text(errno));
    }
    if (static_cast<std::uint64_t>(now.st_size) < size()) {
      throw has_become_shorter(static_cast<std::uint64_t>(now.st_size));
    }
    const auto length = static_cast<std::size_t>(size());
    void* const start =
        ::mmap(nullptr, length, protection, MAP_PRIVATE | MAP_NORESERVE, descriptor_.get(), 0);
    if (start == MAP_FAILED) {
      throw io_error(name(),
                     "cannot be mapped into memory (" + system_text(errno) + "); read it without mmap");
    }
    return {static_cast<std::byte*>(start), [length](std::byte* bytes) { ::munmap(bytes, length); }};
  }

  Descriptor descriptor_;
  bool is_remote_ = false;
  mutable std::mutex mapping_mutex_;
  mutable std::weak_ptr<const std::byte> mapping_;
};

/// Not blocking, or a named pipe without a writer would hang here; regular files do not notice.
Descriptor open_descriptor(const std::string& path, const std::string& name) {
  if (path.find('\0') != std::string::npos) {
    throw Error(ErrorCode::invalid_argument, name.substr(0, name.find('\0')), {}, std::nullopt,
                "the path contains a NUL character");
  }
  for (;;) {
    const int value = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (value >= 0) return Descriptor(value);
    if (errno != EINTR) throw io_error(name, opening_failure(errno));
  }
}

}  // namespace

bool is_network_file_system(std::uint64_t type) noexcept {
  static constexpr std::array<std::uint64_t, 13> types = {
      0x00006969,  // NFS
      0x0000517B,  // SMB
      0xFF534D42,  // CIFS
      0xFE534D42,  // SMB 2
      0x65735546,  // FUSE
      0x01021997,  // 9P
      0x00C36400,  // Ceph
      0x0BD00BD0,  // Lustre
      0x47504653,  // GPFS
      0x19830326,  // BeeGFS
      0x5346414F,  // AFS
      0x73757245,  // Coda
      0x01161970,  // GFS2
  };
  return std::find(types.begin(), types.end(), type) != types.end();
}

std::shared_ptr<const ByteSource> open_file(const std::filesystem::path& path, std::string name) {
  if (name.empty()) name = path.native();
  Descriptor descriptor = open_descriptor(path.native(), name);
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) {
    throw io_error(name, "cannot be examined: " + system_text(errno));
  }
  if (S_ISDIR(status.st_mode)) throw io_error(name, "is a directory; name a checkpoint file inside it");
  if (!S_ISREG(status.st_mode)) {
    throw io_error(name, "not a regular file (a pipe, a socket or a device); copy its content to one");
  }
  return std::make_shared<FileSource>(std::move(name), std::move(descriptor),
                                      static_cast<std::uint64_t>(status.st_size));
}

}  // namespace torchferry
