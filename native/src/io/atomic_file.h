#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "io/byte_sink.h"

namespace torchferry {

/// A file that appears whole or not at all. The bytes go to a file of another name in the same folder;
/// `commit` brings them to the disk and then puts them, in one step, where readers look: who opens the path
/// before, during or after sees the old content or the new one, never a part, even when the machine loses
/// power. Without `commit` the destructor takes everything back and the old content stays.
///
/// A symbolic link is followed, so that the link stays; a file that is there keeps its permissions, a new one
/// gets the process's usual ones. What holds the old file open or mapped keeps the old content. For one
/// thread.
class AtomicFile final : public ByteSink {
 public:
  /// Nothing is changed at `path` yet. Throws Error(io) when the folder is missing or may not be written to,
  /// and when something other than a regular file is at `path`.
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile() override;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Claims room for a file of `bytes` bytes, so that a full disk is found before anything is written. Throws
  /// Error(io) when there is not as much; file systems that cannot tell are taken at their word later.
  void reserve(std::uint64_t bytes);

  void write(std::span<const std::byte> bytes) override;

  /// Brings the bytes written so far to the disk and closes the file, still under its other name. Nothing may
  /// be written afterwards. Throws Error(io).
  void finish();

  /// `finish`, and makes the bytes the content of the path. Throws Error(io); the old content is still there
  /// then, unless the message says that only the folder could not be brought to the disk.
  void commit();

  /// Whether `commit` replaces, or has replaced, a file that was there.
  bool replaces() const noexcept { return keeps_permissions_; }
  /// Bytes written so far.
  std::uint64_t written() const noexcept { return written_; }
  /// Where the bytes go: absolute, links followed.
  const std::filesystem::path& target() const noexcept { return target_; }

 private:
  void create(unsigned permissions);
  void close_file();
  [[noreturn]] void fail(const std::string& what, int error) const;

  std::string name_;                 ///< the path as given, for messages
  std::filesystem::path target_;     ///< absolute, links followed
  std::filesystem::path temporary_;  ///< empty when there is none (any more)
  int descriptor_ = -1;
  std::uint64_t written_ = 0;
  bool keeps_permissions_ = false;
};

}  // namespace torchferry
