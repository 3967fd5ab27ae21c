#include <torchferry/stock_libtorch.h>

#include <ATen/core/Dict.h>
#include <ATen/core/ivalue.h>
#include <torchferry/error.h>

#include <fstream>
#include <iterator>
#include <vector>

#include "torch/translate_errors.h"

// Declared here, because the header that does costs ten times this file's compile time.
namespace torch::jit {
TORCH_API c10::IValue pickle_load(const std::vector<char>& data);
}

namespace torchferry {

std::size_t stock_pickle_load(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw Error(ErrorCode::io, path, {}, std::nullopt, "cannot be opened");
  std::vector<char> bytes(static_cast<std::size_t>(file.tellg()));
  file.seekg(0);
  if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
    throw Error(ErrorCode::io, path, {}, std::nullopt, "cannot be read");
  }
  try {
    return translated(ErrorCode::corrupt,
                      [&] { return torch::jit::pickle_load(bytes).toGenericDict().size(); });
  } catch (const Error& error) {
    throw error.in(path);
  }
}

}  // namespace torchferry
