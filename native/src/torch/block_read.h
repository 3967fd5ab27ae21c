#pragma once

#include <torchferry/checkpoint.h>
#include <torchferry/load_options.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "placement/device_layout.h"

namespace torchferry {

/// Reads many storages of a checkpoint into one block of host memory, in which they lie as in the file: in
/// stretches that span storages and what separates them, so that reads and page faults depend on the bytes
/// and not on the number of storages. Each thread fills whole huge pages.
class BlockRead {
 public:
  /// `storages` are `mappable` and not empty.
  BlockRead(const Checkpoint& checkpoint, std::vector<std::uint32_t> storages);

  std::span<const std::uint32_t> storages() const noexcept { return storages_; }
  /// Bytes of the block.
  std::uint64_t nbytes() const noexcept { return layout_.nbytes; }
  /// Where the storage `storages()[i]` begins in the block.
  std::uint64_t offset(std::size_t i) const noexcept { return layout_.offsets[i]; }

  /// Fills the block, which starts at a huge page. Adds the storages' bytes to `options.progress` and stops
  /// within a window when that asks for it. `arrived` (may be empty) is called once for each storage when its
  /// last byte has been read. Throws Error(io, cancelled) when all threads have ended.
  void run(std::byte* block, const LoadOptions& options, const std::function<void(std::uint32_t)>& arrived) const;

 private:
  class Run;
  const Checkpoint& checkpoint_;
  std::vector<std::uint32_t> storages_;
  std::vector<std::uint64_t> sizes_;
  DeviceLayout layout_;
};

}  // namespace torchferry
