#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "io/byte_source.h"

namespace torchferry {

/// The folder of an index file, out of which nothing that the index names may lead.
class Folder {
 public:
  /// Of an index file, which exists. `index_name`: what errors call it; they call the other files accordingly.
  Folder(const std::filesystem::path& index, const std::string& index_name);

  /// Opens the file of that name, which must be one name and no path. Where it is a symbolic link, the file that it
  /// leads to must lie in the folder, or in the one that the index's own link leads to: the cache of the Hugging Face
  /// hub links the index and its shards to files in one place. Throws Error(corrupt) saying what is wrong with the
  /// name, to which the caller adds who uses it, and Error(io).
  std::shared_ptr<const ByteSource> open(std::string_view name) const;

 private:
  std::filesystem::path folder_;   ///< as the caller named it
  std::filesystem::path shown_;    ///< as errors name it
  std::filesystem::path real_;     ///< links followed
  std::filesystem::path origin_;   ///< where the index file itself lies, links followed
};

}  // namespace torchferry
