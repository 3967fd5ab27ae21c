#include <torchferry/devices.h>

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/DeviceType.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torchferry/error.h>
#if __has_include(<torch/headeronly/version.h>)
#include <torch/headeronly/version.h>
#else
#include <torch/version.h>
#endif

#include <optional>

extern "C" std::uint64_t aoti_torch_abi_version();

namespace torchferry {
namespace {

constexpr std::string_view kPrivateUse1 = "privateuseone";
constexpr c10::DeviceType kAccelerators[] = {c10::DeviceType::CUDA, c10::DeviceType::XPU,
                                             c10::DeviceType::MPS, c10::DeviceType::PrivateUse1};

std::string type_name(c10::DeviceType type) { return c10::DeviceTypeName(type, /*lower_case=*/true); }

std::optional<c10::DeviceType> device_type(const std::string& name) {
  for (int number = 0; number < c10::COMPILE_TIME_MAX_DEVICE_TYPES; ++number) {
    const auto type = static_cast<c10::DeviceType>(number);
    if (c10::isValidDeviceType(type) && type_name(type) == name) return type;
  }
  if (name == kPrivateUse1) return c10::DeviceType::PrivateUse1;
  return std::nullopt;
}

/// Asks the backend's guard alone. The hooks of at::Context are left in peace: asked before a backend's
/// library is loaded, they answer "not there" for the rest of the process.
int count_of(c10::DeviceType type) noexcept {
  if (type == c10::DeviceType::CPU || type == c10::DeviceType::Meta) return 1;
  if (!c10::impl::hasDeviceGuardImpl(type)) return 0;
  return c10::impl::device_guard_impl_registry[static_cast<std::size_t>(type)].load()->deviceCount();
}

bool has_index(c10::DeviceType type) noexcept {
  return type != c10::DeviceType::CPU && type != c10::DeviceType::Meta;
}

int current_of(c10::DeviceType type) { return c10::impl::getDeviceGuardImpl(type)->getDevice().index(); }

class TorchCatalog final : public DeviceCatalog {
 public:
  int count(const std::string& type) const override { return device_count(type); }
  int current(const std::string& type) const override {
    const auto known = device_type(type);
    return known && has_index(*known) && count_of(*known) > 0 ? current_of(*known) : 0;
  }
  std::string privateuse1_name() const override { return c10::get_privateuse1_backend(/*lower_case=*/true); }
};

}  // namespace

const DeviceCatalog& torch_catalog() {
  static const TorchCatalog catalog;
  return catalog;
}

int device_count(const std::string& type) {
  const auto known = device_type(type);
  return known ? count_of(*known) : 0;
}

Device best_available_device() {
  for (const c10::DeviceType type : kAccelerators) {
    if (count_of(type) > 0) return {type_name(type), current_of(type)};
  }
  return Device::cpu();
}

std::vector<Device> available_devices() {
  std::vector<Device> devices{Device::cpu()};
  for (int number = 0; number < c10::COMPILE_TIME_MAX_DEVICE_TYPES; ++number) {
    const auto type = static_cast<c10::DeviceType>(number);
    if (!c10::isValidDeviceType(type) || !has_index(type)) continue;
    for (int index = 0; index < count_of(type); ++index) devices.push_back({type_name(type), index});
  }
  return devices;
}

Device require_device(const Device& device) {
  const auto type = device_type(device.type);
  const int count = type ? count_of(*type) : 0;
  if (type && !has_index(*type)) return {type_name(*type), -1};
  const int index = device.index < 0 && count > 0 ? current_of(*type) : device.index;
  if (index >= 0 && index < count) return {type_name(*type), index};
  std::string there;
  for (const Device& one : available_devices()) there += (there.empty() ? "" : ", ") + one.str();
  throw Error(ErrorCode::device_unavailable, "device " + device.str() + " is not available: torch." +
                                                 device.type + ".device_count() is " + std::to_string(count) +
                                                 ". Devices of this machine: " + there + ".");
}

namespace {

/// c10::DeviceAllocator came before its getMemoryInfo did.
template <class Allocator>
std::optional<DeviceMemoryInfo> ask(Allocator* allocator, c10::DeviceIndex index) {
  if constexpr (requires { allocator->getMemoryInfo(index); }) {
    const auto [free, total] = allocator->getMemoryInfo(index);
    return DeviceMemoryInfo{free, total};
  }
  return std::nullopt;
}

}  // namespace

std::optional<DeviceMemoryInfo> device_memory_info(const Device& device) {
  const c10::Device where = to_c10(require_device(device));
  if (!has_index(where.type())) return std::nullopt;
  try {
    auto* const allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(where.type()));
    return allocator != nullptr ? ask(allocator, where.index()) : std::nullopt;
  } catch (const std::exception&) {
    return std::nullopt;  // the backend has an allocator that does not tell
  }
}

c10::Device to_c10(const Device& device) {
  const auto type = device_type(device.type);
  if (!type) throw Error(ErrorCode::invalid_argument, "libtorch knows no device type '" + device.type + "'");
  if (device.index < -1 || device.index > INT8_MAX) {
    throw Error(ErrorCode::invalid_argument, "Invalid device string: '" + device.str() + "'");
  }
  return {*type, static_cast<c10::DeviceIndex>(has_index(*type) ? device.index : -1)};
}

Device from_c10(const c10::Device& device) {
  return {type_name(device.type()), has_index(device.type()) ? device.index() : -1};
}

std::string libtorch_runtime_version() {
  const std::uint64_t version = aoti_torch_abi_version();
  const auto part = [version](int shift) { return std::to_string(version >> shift & 0xFF); };
  return part(56) + "." + part(48) + "." + part(40);
}

std::string libtorch_build_version() { return TORCH_VERSION; }

}  // namespace torchferry
