#pragma once

#include <cstddef>
#include <string>

namespace torchferry {

/// Loads the file with libtorch's own torch::jit::pickle_load, tensors and all, and returns how many entries
/// its dict has. Nothing of Torchferry takes part: this is what benchmarks compare with. libtorch reads plain
/// dicts only (an OrderedDict, which every state_dict is, it refuses) and trusts the file. Throws Error(io,
/// corrupt).
std::size_t stock_pickle_load(const std::string& path);

}  // namespace torchferry
