#pragma once

#include <torchferry/content.h>

#include <cstdint>
#include <string>
#include <vector>

#include "opened_checkpoint.h"

namespace torchferry::jni {

/// What io.torchferry.ContentPacking packed: the number of containers inside containers first, for the stack
/// that saving it needs.
class PackedContent {
 public:
  /// Loads the tensors of checkpoints. The owners are those that the content refers to by number.
  PackedContent(const std::string& packed, const std::vector<const StateDict*>& dicts,
                const std::vector<const OpenedCheckpoint*>& checkpoints);
  /// Containers let go of what they hold one after the other, not one inside the other.
  ~PackedContent();
  PackedContent(const PackedContent&) = delete;
  PackedContent& operator=(const PackedContent&) = delete;

  std::uint32_t depth() const noexcept { return depth_; }
  const Content& root() const { return nodes_.back(); }

 private:
  std::uint32_t depth_ = 0;
  std::vector<Content> nodes_;
};

}  // namespace torchferry::jni
