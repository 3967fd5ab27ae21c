#pragma once

#include <filesystem>

namespace torchferry {

/// Asks the system to forget the file's bytes that it keeps in memory, so that the next load comes from the disk: for
/// measurements. Writes what is not on the disk yet first. Pages that some process has mapped stay. Throws Error(io).
void evict_from_page_cache(const std::filesystem::path& path);

}  // namespace torchferry
