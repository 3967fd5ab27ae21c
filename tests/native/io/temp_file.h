#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

namespace torchferry::testing {

/// A directory of its own for one test, removed with all that is in it.
class TempDirectory {
 public:
  TempDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "torchferry-XXXXXX").native();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed: " + pattern);
    path_ = pattern;
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const noexcept { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// Writes `bytes` at `offset` of a file, making it when it is not there; what is skipped stays a hole.
inline void write_at(const std::filesystem::path& path, std::uint64_t offset, std::string_view bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) throw std::runtime_error("cannot write " + path.native());
  const ssize_t written = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
  ::close(file);
  if (written != static_cast<ssize_t>(bytes.size())) throw std::runtime_error("cannot fill " + path.native());
}

/// Makes a file with that content.
inline std::filesystem::path write_file(const std::filesystem::path& path, std::string_view bytes) {
  write_at(path, 0, bytes);
  return path;
}

}  // namespace torchferry::testing
