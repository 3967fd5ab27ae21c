#pragma once

#include <torchferry/checkpoint.h>
#include <torchferry/load_options.h>

#include <cstdint>
#include <functional>
#include <span>

namespace torchferry {

/// One storage to be read in full.
struct StorageRead {
  std::uint32_t storage;  ///< row of the table
  std::byte* to;          ///< its `nbytes` bytes
};

/// Reads storages on several threads (`options.threads`): whole ones next to each other, and big ones in
/// chunks shared among the threads. Checks CRC-32 sums when the options say so, adds to `options.progress`
/// and stops within a chunk when that asks for it. The first error of any thread is thrown when all threads
/// have ended: Error(io, corrupt, cancelled). `arrived`, where given, is called once for each storage when its last byte
/// has been read, by the thread that read it, about in the order of `reads`.
void read_storages(const Checkpoint& checkpoint, std::span<const StorageRead> reads, const LoadOptions& options,
                   const std::function<void(std::uint32_t)>& arrived = {});

/// Throws Error(cancelled) when the watcher asked for the load to stop.
void stop_if_cancelled(const LoadOptions& options);

}  // namespace torchferry
