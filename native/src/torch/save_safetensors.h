#pragma once

#include <torchferry/content.h>
#include <torchferry/save.h>

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "table/safetensors_header.h"
#include "torch/save_shards.h"

namespace torchferry {

/// Named tensors as safetensors files hold them.
class SafetensorsContent {
 public:
  /// Throws Error(unsupported, invalid_argument), naming the tensor, for what the format cannot hold.
  /// `options` must outlive it and its files.
  SafetensorsContent(const Content& content, const SaveOptions& options);

  /// Names left out, and the names of the same tensors that are kept.
  const std::vector<std::pair<std::string, std::string>>& repeated() const noexcept { return repeated_; }

  ShardPlan plan(const std::filesystem::path& path) const;
  /// A file of these members.
  std::unique_ptr<SavedFile> file(std::span<const std::size_t> members) const;

 private:
  void leave_out_repeated();

  const SaveOptions& options_;
  const FlatContent flat_;
  std::vector<SafetensorsEntry> entries_;  ///< those that are written, by the number of their tensor
  std::vector<std::pair<std::string, std::string>> repeated_;
};

}  // namespace torchferry
