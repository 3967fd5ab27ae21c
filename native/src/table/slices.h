#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace torchferry {

/// Whether the safetensors files among `names`, the files of a directory, say in their metadata which slices of tensors
/// they hold.
bool holds_slices(const std::filesystem::path& directory, const std::vector<std::string>& names);

}  // namespace torchferry
