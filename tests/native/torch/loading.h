#pragma once

#include <torchferry/state_dict.h>

#include <filesystem>
#include <string>

#include "table/pickle_text.h"

namespace torchferry::testing {

/// What PyTorch wrote, in the repository.
inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(TORCHFERRY_ROOT) / "tests/java/core/resources/fixtures" / name;
}

inline const at::Tensor& tensor_at(const StateDict& state_dict, std::string_view key) {
  const auto index = state_dict.find(key);
  if (!index) throw std::runtime_error("no tensor " + std::string(key));
  return state_dict.tensor(*index);
}

inline bool share_storage(const at::Tensor& a, const at::Tensor& b) {
  return a.storage().unsafeGetStorageImpl() == b.storage().unsafeGetStorageImpl();
}

inline LoadOptions load_to(const Device& device, bool mmap = true) {
  LoadOptions options;
  options.map_location = MapLocation::to(device);
  options.mmap = mmap;
  return options;
}

/// Elements of a float32 tensor in row-major order, from any device.
inline std::vector<float> floats_of(const at::Tensor& tensor) {
  const at::Tensor here = tensor.detach().cpu().contiguous();
  return {here.const_data_ptr<float>(), here.const_data_ptr<float>() + here.numel()};
}

}  // namespace torchferry::testing
