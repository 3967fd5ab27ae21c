#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace torchferry {

/// A temporary file without a name, for bytes that come one after the other (a stream) and are wanted as a file. No
/// folder lists it, so nothing is left behind, however the process ends; its space is free again when this object and
/// whatever was opened on `path` are gone. Not safe for use from several threads at once.
class SpoolFile {
 public:
  /// An empty one in a folder that can be written to. Throws Error(io).
  static SpoolFile create(const std::filesystem::path& folder);

  SpoolFile(SpoolFile&& other) noexcept;
  SpoolFile& operator=(SpoolFile&&) = delete;
  ~SpoolFile();

  /// Appends. Throws Error(io), above all when the file system is full.
  void write(std::span<const std::byte> bytes);

  /// What opens this file for reading (`Checkpoint::open`), while this object lives and in this process only.
  std::filesystem::path path() const;

 private:
  SpoolFile(int descriptor, std::filesystem::path folder) : descriptor_(descriptor), folder_(std::move(folder)) {}

  int descriptor_;
  std::filesystem::path folder_;
};

}  // namespace torchferry
