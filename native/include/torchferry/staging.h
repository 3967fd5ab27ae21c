#pragma once

#include <cstdint>

namespace torchferry {

/// The host memory through which the bytes of all loads of this process travel to devices: buffers that are reused,
/// page-locked where the accelerator's backend can do that, because locking pages costs more than copying them.
struct StagingStatus {
  std::uint64_t limit;       ///< bytes that all buffers together may take
  std::uint64_t allocated;   ///< bytes of buffers that exist
  std::uint64_t in_use;      ///< bytes of buffers that a load holds now
  std::uint64_t peak;        ///< highest `allocated` so far
  std::uint64_t pinned;      ///< bytes of `allocated` that are page-locked
};

/// Bytes of one buffer: the size of the largest copy to a device.
inline constexpr std::uint64_t kStagingChunk = std::uint64_t{16} << 20;
inline constexpr std::uint64_t kDefaultStagingLimit = 8 * kStagingChunk;

/// Sets the bound, rounded down to whole buffers, one at least. Loads that run keep what they hold; buffers beyond the
/// bound are freed as they come back. Any thread, any time.
void set_staging_limit(std::uint64_t bytes);

/// Any thread, any time.
StagingStatus staging_status();

/// Frees the buffers that no load holds; the next load makes new ones.
void release_staging();

}  // namespace torchferry
