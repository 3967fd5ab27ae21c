#include "io/atomic_files.h"

#include <unistd.h>

namespace torchferry {

AtomicFile& AtomicFiles::add(const std::filesystem::path& path) {
  return *files_.emplace_back(std::make_unique<AtomicFile>(path));
}

void AtomicFiles::commit() {
  for (const auto& file : files_) file->finish();
  std::size_t placed = 0;
  try {
    for (; placed < files_.size(); ++placed) files_[placed]->commit();
  } catch (...) {
    while (placed > 0) {
      const AtomicFile& file = *files_[--placed];
      if (!file.replaces()) ::unlink(file.target().c_str());
    }
    throw;
  }
}

}  // namespace torchferry
