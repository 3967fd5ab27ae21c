#pragma once

#include <torchferry/checkpoint.h>
#include <torchferry/load_options.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace torchferry {

/// Which devices there are. The libtorch library answers for libtorch; without it there is the CPU alone.
class DeviceCatalog {
 public:
  virtual ~DeviceCatalog() = default;
  /// Devices of a type that can be used now; 0 when the type is unknown, not built in or without hardware.
  virtual int count(const std::string& type) const = 0;
  /// The index that a device without one means, for types with a count above 0.
  virtual int current(const std::string& type) const = 0;
  /// What torch calls PrivateUse1: "privateuseone" unless renamed.
  virtual std::string privateuse1_name() const { return "privateuseone"; }
};

/// The catalog of a machine without libtorch: "cpu" and "meta".
const DeviceCatalog& cpu_catalog();

/// What happens to one storage.
enum class Transfer : std::uint8_t {
  map,       ///< becomes a view of the mapped file
  read,      ///< read (and inflated, swapped) into CPU memory of its own
  copy,      ///< to a device's memory
  nothing,   ///< meta: no byte is needed
};

struct StoragePlan {
  std::uint32_t storage;  ///< row of the table
  Device device;
  Transfer transfer;
};

/// What a load will do, before it does anything: the same for a dry run and for the load itself.
struct LoadPlan {
  std::vector<StoragePlan> storages;                ///< those needed, in file order
  std::map<std::string, Device> devices;            ///< saved location -> where it goes, for the locations in use
  std::map<Device, std::uint64_t> bytes_by_device;  ///< bytes of storages on each device
  std::uint64_t bytes_read = 0;                     ///< bytes read from the file at load (mapped ones are not)
};

/// Plans the load of `entries` (of this checkpoint). No I/O. Throws Error(device_unavailable) in PyTorch's words for
/// a location that no device here can serve, Error(unsupported) naming the tensor for one that cannot be loaded when
/// `entries` asks for exactly it.
LoadPlan plan(const Checkpoint& checkpoint, std::span<const Entry> entries, const LoadOptions& options,
              const DeviceCatalog& devices);

/// Resolves one saved location under `map_location` (torch.load's rules, lenient with "cpu:0" and "meta:0").
/// Throws Error(device_unavailable).
Device resolve_location(const std::string& saved_location, const MapLocation& map_location,
                        const DeviceCatalog& devices);

}  // namespace torchferry
