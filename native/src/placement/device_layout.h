#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace torchferry {

/// The bytes of one storage in a file, as they are needed in memory.
struct StoredRange {
  std::uint32_t file;    ///< of the checkpoint's files
  std::uint64_t offset;  ///< bytes from the start of that file
  std::uint64_t nbytes;
};

/// One stretch of a file that lies in a layout as it does in the file.
struct FileRun {
  std::uint32_t file;
  std::uint64_t offset;  ///< in the file
  std::uint64_t at;      ///< in the layout
  std::uint64_t nbytes;
};

/// Where storages go inside one slab of memory, so that the slab fills with few, large reads and leaves in few, large
/// copies however many storages there are: neighbours in the file stay neighbours, with what separates them (headers
/// and padding of a zip archive) between them. Every storage starts at a multiple of `kStorageAlignment`.
struct DeviceLayout {
  std::uint64_t nbytes = 0;            ///< of the slab, what separates storages included
  std::vector<std::uint64_t> offsets;  ///< of the storages, in the order given, which is ascending
  std::vector<FileRun> runs;           ///< what fills the slab, ordered by `at`
};

inline constexpr std::uint64_t kStorageAlignment = 64;

/// Lays out `storages`, which do not overlap and are ordered by file and offset.
DeviceLayout lay_out(std::span<const StoredRange> storages);

/// The parts of the runs inside [begin, end) of the layout.
std::vector<FileRun> runs_within(const DeviceLayout& layout, std::uint64_t begin, std::uint64_t end);

}  // namespace torchferry
