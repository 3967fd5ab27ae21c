#pragma once

#include <torchferry/dtype.h>
#include <torchferry/map_location.h>
#include <torchferry/progress.h>

#include <cstdint>
#include <memory>
#include <optional>

namespace torchferry {

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
  std::shared_ptr<Progress> progress;
};

}  // namespace torchferry
