#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace torchferry {

/// An empty folder with a new name that only this user may enter, removed with all that is in it.
class TemporaryFolder {
 public:
  /// In `parent`; empty: in what TMPDIR names, else in /tmp. Throws Error(io).
  static TemporaryFolder create(const std::filesystem::path& parent);

  TemporaryFolder(TemporaryFolder&& other) noexcept;
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder();

  const std::filesystem::path& path() const noexcept { return path_; }
  /// A new file with these bytes; `name` is relative, without "..", and folders on its way are made. Throws
  /// Error(io).
  void write(const std::filesystem::path& name, std::span<const std::byte> bytes) const;

 private:
  explicit TemporaryFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

/// Throws Error(io) where the folder's file system does not allow shared libraries to be loaded ("noexec").
void require_executable(const std::filesystem::path& folder);

}  // namespace torchferry
