#pragma once

#include <torchferry/dtype.h>
#include <torchferry/map_location.h>
#include <torchferry/progress.h>

#include <cstdint>
#include <memory>
#include <optional>

namespace torchferry {

/// How the memory of a device, the CPU included, is taken for the storages of a load. Mapped ones take none.
enum class DeviceMemory : std::uint8_t {
  /// One allocation for all of them: the fastest, and few copies however many tensors there are. It is given back when
  /// the last tensor that looks at it goes, so a small tensor that is kept keeps all of it.
  slab,
  /// One allocation for each storage, as torch.load makes them; each is given back on its own.
  per_storage,
};

/// What happens to the pages of mapped tensors before a load returns.
enum class Prefetch : std::uint8_t {
  none,        ///< nothing: each is read when it is first used
  read_ahead,  ///< the system is asked to read them soon, and the load does not wait
  populate,    ///< they are in memory and mapped, brought in by several threads: the first use meets no page fault
};

/// How a state dict is loaded.
struct LoadOptions {
  MapLocation map_location = MapLocation::as_saved();
  /// true: CPU tensors are views of a private mapping of the file, no byte is read until it is used (torch.load's
  /// mmap=True); each load has a mapping of its own. false, and always where the checkpoint was opened on memory:
  /// every storage is read into memory of its own, by several threads.
  bool mmap = true;
  /// Files of network file systems are mapped, too, where `mmap` is on. Off, they are read: a server that goes away
  /// would end the process with SIGBUS when a mapped page is touched, and pages travel one by one.
  bool mmap_network_files = false;
  Prefetch prefetch = Prefetch::none;
  /// Floating point tensors are converted to this type after they are placed; others stay as they are.
  std::optional<DType> cast;
  /// Recorded CRC-32 sums are checked, which reads every byte.
  bool verify_checksums = false;
  /// Threads that read; 0: as many as there are processors, at most 8.
  unsigned threads = 0;
  DeviceMemory device_memory = DeviceMemory::slab;
  std::shared_ptr<Progress> progress;
};

}  // namespace torchferry
