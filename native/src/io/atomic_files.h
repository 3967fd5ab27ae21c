#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "io/atomic_file.h"

namespace torchferry {

/// Files that appear together: all are written to the disk under other names before the first one takes its
/// place. A failure until then changes nothing, and one afterwards takes away what it has put there; files
/// that were replaced by then, and a crash between two steps, are beyond what a file system can take back. So
/// the file that says which others belong together comes last. For one thread.
class AtomicFiles {
 public:
  /// A file to be written; it stays where it is. Throws as AtomicFile's constructor.
  AtomicFile& add(const std::filesystem::path& path);

  /// Puts all files in place, in the order in which they were added. Throws Error(io).
  void commit();

 private:
  std::vector<std::unique_ptr<AtomicFile>> files_;
};

}  // namespace torchferry
