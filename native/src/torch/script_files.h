#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torchferry/checkpoint.h>

#include <filesystem>
#include <memory>
#include <mutex>

#include "io/byte_source.h"

namespace torchferry {

/// libtorch's importer registers types in places that all modules share, and its exporter and freezing read them:
/// one of these at a time.
std::mutex& script_importer();

/// torch::jit::load from one of our sources. A file that is no TorchScript, or damaged, is refused before libtorch sees
/// it. Throws Error(corrupt, unsupported, io).
torch::jit::Module load_script(const std::filesystem::path& path, const c10::Device& target);
torch::jit::Module load_script(std::span<const std::byte> bytes, const std::string& name, const c10::Device& target);

/// Writes the module with torch::jit's exporter; the file appears whole or not at all. Throws Error(io).
void save_script(const torch::jit::Module& module, const std::filesystem::path& path);

}  // namespace torchferry
