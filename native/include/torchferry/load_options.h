#pragma once

#include <torchferry/dtype.h>
#include <torchferry/map_location.h>
#include <torchferry/progress.h>

#include <cstdint>
#include <memory>
#include <optional>

namespace torchferry {

/// How the memory of a device is taken for the storages of a load.
enum class DeviceMemory : std::uint8_t {
  /// One allocation for all of them: the fastest, and few copies however many tensors there are. It is given back when
  /// the last tensor that looks at it goes, so a small tensor that is kept keeps all of it.
  slab,
  /// One allocation for each storage, as torch.load makes them; each is given back on its own.
  per_storage,
};

/// How a state dict is loaded.
struct LoadOptions {
  MapLocation map_location = MapLocation::as_saved();
  /// true: CPU tensors are views of a private mapping of the file, no byte is read until it is used (torch.load's
  /// mmap=True); each load has a mapping of its own. false, and always where the checkpoint was opened on memory:
  /// every storage is read into memory of its own, by several threads.
  bool mmap = true;
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
