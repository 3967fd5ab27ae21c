#pragma once

#include <c10/core/Device.h>
#include <torchferry/checkpoint.h>
#include <torchferry/load_options.h>

#include <cstdint>
#include <memory>
#include <span>

#include "torch/place.h"

namespace torchferry {

/// A storage whose bytes lie in a file as they are needed, and the device that it goes to.
struct DeviceLoad {
  std::uint32_t storage;
  c10::Device device;
};

/// Reads storages from their files into devices' memory: several threads read stretches of the files, in file order,
/// into the staging ring; asynchronous copies on a stream of their own carry each buffer to the device while others
/// fill. Several devices are served in turn. There is one copy for each buffer, and where every storage has an
/// allocation of its own, one for each storage in each buffer. Used once, by one thread.
class DeviceTransfer {
 public:
  /// `loads` name storages that are `mappable`.
  DeviceTransfer(const Checkpoint& checkpoint, std::span<const DeviceLoad> loads, const LoadOptions& options);
  ~DeviceTransfer();

  /// Bytes that `run` reads, which is what it adds to the progress.
  std::uint64_t bytes() const;

  /// Puts the storages into `placed`, and tells `arrivals` (may be null) of each when its last copy has been asked for;
  /// whatever the caller does with them afterwards sees their bytes. When it throws,
  /// no copy runs any more, and what was taken is given back with this object.
  void run(PlacedStorages& placed, Arrivals* arrivals = nullptr);

 private:
  struct Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace torchferry
