#pragma once

#include <c10/core/Device.h>
#include <torchferry/plan.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace torchferry {

/// The devices that this process's libtorch has. Asks c10's device-generic interfaces, so a CUDA libtorch
/// loaded before the first call is seen without being linked to.
const DeviceCatalog& torch_catalog();

/// torch.cuda.device_count(), torch.xpu.device_count() … for any type; 0 when unavailable.
int device_count(const std::string& type);
/// The first accelerator with a device (cuda, then xpu, mps, privateuse1), else the CPU.
Device best_available_device();
/// Every device that can be used now, the CPU first.
std::vector<Device> available_devices();
/// `device` with its index, if it can be used now. Throws Error(device_unavailable) that tells what there is.
Device require_device(const Device& device);

/// Bytes of a device's memory.
struct DeviceMemoryInfo {
  std::uint64_t free;
  std::uint64_t total;
};
/// What torch.accelerator.get_memory_info gives; empty where the backend or this libtorch does not tell (the CPU's does
/// not).
std::optional<DeviceMemoryInfo> device_memory_info(const Device& device);

c10::Device to_c10(const Device& device);
Device from_c10(const c10::Device& device);
/// "2.13.0": the libtorch that runs, and the one this was built with.
std::string libtorch_runtime_version();
std::string libtorch_build_version();

}  // namespace torchferry
