#include <torchferry/error.h>
#include <torchferry/plan.h>

#include <algorithm>
#include <array>

namespace torchferry {
namespace {

class CpuCatalog : public DeviceCatalog {
 public:
  int count(const std::string& type) const override { return type == "cpu" || type == "meta" ? 1 : 0; }
  int current(const std::string&) const override { return 0; }
};

[[noreturn]] void unavailable(std::string message) {
  throw Error(ErrorCode::device_unavailable,
              message + " Here that is MapLocation.to(Device.cpu()), or --map-location cpu.");
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return text;
}

/// Backends whose location torch.load resolves by name and index.
bool is_indexed_backend(const std::string& type, const DeviceCatalog& devices) {
  static constexpr std::array<std::string_view, 4> names = {"cuda", "hpu", "xpu", "mtia"};
  return std::find(names.begin(), names.end(), type) != names.end() || type == devices.privateuse1_name();
}

[[noreturn]] void unknown_location(const std::string& location) {
  unavailable("don't know how to restore data location of torch.storage.UntypedStorage (tagged with " + location +
              "). Pass a map_location that names a device of this machine.");
}

/// torch.load's answer for a device of this name, with the device that stands for it here.
Device usable(Device device, const std::string& location, const DeviceCatalog& devices) {
  if (device.type == "cpu" || device.type == "meta") {
    if (device.index > 0) unknown_location(location);
    device.index = -1;
    return device;
  }
  if (device.type == "mps") {
    if (devices.count("mps") == 0) {
      unavailable("torch.UntypedStorage(): Storage device not recognized: mps. This machine has no MPS device; pass a map_location.");
    }
    return {"mps", 0};
  }
  const std::string type = device.type;
  if (!is_indexed_backend(type, devices)) unknown_location(location);
  const int count = devices.count(type);
  const bool has_module = type != "hpu" && type != devices.privateuse1_name();
  if (count == 0 && !has_module) {
    unavailable("The " + upper(type) +
                " device module is not registered. If you are running on a CPU-only machine, please use torch.load with "
                "map_location=torch.device('cpu') to map your storages to the CPU.");
  }
  if (count == 0) {
    unavailable("Attempting to deserialize object on a " + upper(type) + " device but torch." + type +
                ".is_available() is False. If you are running on a CPU-only machine, please use torch.load with "
                "map_location=torch.device('cpu') to map your storages to the CPU.");
  }
  if (device.index < 0) device.index = devices.current(type);
  if (device.index >= count) {
    unavailable("Attempting to deserialize object on " + upper(type) + " device " + std::to_string(device.index) +
                " but torch." + type + ".device_count() is " + std::to_string(count) +
                ". Please use torch.load with map_location to map your storages to an existing device.");
  }
  return device;
}

Device device_of_tag(const std::string& location, const DeviceCatalog& devices) {
  if (location.starts_with("mps")) return usable({"mps", -1}, location, devices);
  try {
    return usable(Device::parse(location), location, devices);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_argument) throw;
    const std::string type = location.substr(0, location.find_first_of(":0123456789"));
    if (is_indexed_backend(type, devices)) unavailable(error.message() + ".");
    unknown_location(location);
  }
}

/// Marks the storages that a tensor needs, its components' too, with the location that decides for each.
void require_storages(const TensorTable& table, std::uint32_t row_index, std::vector<bool>& needed) {
  const TensorRow& row = table.tensors()[row_index];
  if (row.unsupported != kNone) return;
  if (row.storage != kNone) needed[row.storage] = true;
  for (const std::uint32_t part : table.parts(row)) require_storages(table, part, needed);
}

}  // namespace

const DeviceCatalog& cpu_catalog() {
  static const CpuCatalog catalog;
  return catalog;
}

Device resolve_location(const std::string& saved_location, const MapLocation& map_location,
                        const DeviceCatalog& devices) {
  if (const std::optional<Device> device = map_location.requested(saved_location)) {
    return usable(*device, device->str(), devices);
  }
  return device_of_tag(saved_location, devices);
}

LoadPlan plan(const Checkpoint& checkpoint, std::span<const Entry> entries, const LoadOptions& options,
              const DeviceCatalog& devices) {
  const TensorTable& table = checkpoint.table();
  if (entries.size() == 1) {
    const TensorRow& only = table.tensors()[entries[0].tensor];
    if (only.unsupported != kNone) {
      throw Error(ErrorCode::unsupported, checkpoint.name(), {}, std::nullopt,
                  "tensor '" + std::string(entries[0].key) + "': " + std::string(table.unsupported(only)));
    }
  }
  std::vector<bool> needed(table.storages().size(), false);
  for (const Entry& entry : entries) require_storages(table, entry.tensor, needed);

  LoadPlan result;
  std::vector<std::optional<Device>> device_of(table.locations().size());
  const auto device_for = [&](std::uint32_t location) -> const Device& {
    std::optional<Device>& device = device_of[location];
    if (!device) {
      try {
        device = resolve_location(table.locations()[location], options.map_location, devices);
      } catch (const Error& error) {
        throw error.in(checkpoint.name());
      }
      result.devices.emplace(table.locations()[location], *device);
    }
    return *device;
  };
  std::vector<std::uint32_t> rows;
  rows.reserve(needed.size());
  for (std::uint32_t row = 0; row < needed.size(); ++row) {
    if (needed[row]) rows.push_back(row);
  }
  const auto by_file_offset = [&table](std::uint32_t a, std::uint32_t b) {
    const StorageRow& first = table.storages()[a];
    const StorageRow& second = table.storages()[b];
    return first.file != second.file ? first.file < second.file : first.file_offset < second.file_offset;
  };
  if (!std::is_sorted(rows.begin(), rows.end(), by_file_offset)) std::sort(rows.begin(), rows.end(), by_file_offset);
  result.storages.reserve(rows.size());
  const bool maps = options.mmap && !options.verify_checksums && checkpoint.can_map_privately() &&
                    (options.mmap_network_files || !checkpoint.is_remote());
  for (const std::uint32_t row : rows) {
    const StorageRow& storage = table.storages()[row];
    const Device& device = device_for(storage.location);
    Transfer transfer = Transfer::copy;
    if (device.is_meta()) {
      transfer = Transfer::nothing;
    } else if (device.is_cpu()) {
      transfer = maps && storage.mappable() ? Transfer::map : Transfer::read;
    }
    if (transfer == Transfer::read || transfer == Transfer::copy) result.bytes_read += storage.nbytes;
    result.storages.push_back({row, device, transfer});
  }
  std::vector<std::uint64_t> bytes(table.locations().size(), 0);
  for (const std::uint32_t row : rows) bytes[table.storages()[row].location] += table.storages()[row].nbytes;
  for (std::uint32_t location = 0; location < bytes.size(); ++location) {
    if (device_of[location]) result.bytes_by_device[*device_of[location]] += bytes[location];
  }
  // Tensors without a storage (meta, or with a location of their own) are placed too.
  for (const Entry& entry : entries) {
    const TensorRow& row = table.tensors()[entry.tensor];
    if (row.unsupported == kNone && table.location(row) != "meta") device_for(row.location);
  }
  return result;
}

}  // namespace torchferry
