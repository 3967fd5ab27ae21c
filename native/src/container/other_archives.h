#pragma once

#include <string_view>

namespace torchferry {

/// What a zip archive is that holds a record of this name and is none of PyTorch's, for messages; null when the name
/// tells nothing.
inline const char* other_archive_with(std::string_view record) noexcept {
  if (record.ends_with(".npy")) return "an archive of NumPy arrays (.npz): read it with NumPy and torch.save it";
  if (record.ends_with("model.weights.h5")) return "a Keras model: not a format of PyTorch";
  for (const std::string_view ending : {".pt", ".pth", ".bin", ".ckpt", ".safetensors"}) {
    if (record.ends_with(ending)) return "a zip archive with a checkpoint in it: unpack it, and open what is inside";
  }
  return nullptr;
}

}  // namespace torchferry
