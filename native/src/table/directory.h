#pragma once

#include <torchferry/checkpoint.h>

#include <filesystem>
#include <optional>
#include <string>

namespace torchferry {

bool is_directory_path(const std::filesystem::path& path) noexcept;

/// The file that says what the checkpoint in a directory is: the one index of shards, recognised by its content, or the
/// `.metadata` of torch.distributed.checkpoint. Nothing where the directory is made of slices in safetensors files.
/// Throws Error(io) telling what is there, and what to open, when it is neither; `name` is what it calls the directory.
std::optional<std::filesystem::path> index_of_directory(const std::filesystem::path& directory,
                                                        const std::string& name, const Limits& limits);

/// Reads a directory of safetensors files that torch.distributed.checkpoint wrote, which hold slices of tensors and say
/// in their metadata where those belong.
void read_sliced_directory(Checkpoint::State& state, const std::filesystem::path& directory);

}  // namespace torchferry
