#pragma once

#include <cstdint>
#include <string>

#include "container/zip_archive.h"

namespace torchferry {

/// The text of a record that holds one word. Throws Error(corrupt) for one of more than 64 bytes.
std::string small_text(const ZipArchive& archive, std::uint32_t record);

/// The format version that PyTorch writes into its archives. Throws Error, naming the record: corrupt when there is none
/// or it is no number, unsupported when it is not within [oldest, newest].
void require_version(const ZipArchive& archive, int oldest, int newest);

}  // namespace torchferry
