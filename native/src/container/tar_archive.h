#pragma once

#include <torchferry/limits.h>

#include <cstdint>
#include <string>
#include <vector>

#include "io/byte_source.h"

namespace torchferry {

/// A file in a tar archive, validated: [offset, offset + size) lies inside the source.
struct TarMember {
  std::string name;
  std::uint64_t offset;  ///< of the content, in bytes from the start of the source
  std::uint64_t size;
};

/// What the errors of a tar archive's own structure call it; their offsets are of the file.
inline constexpr const char* kTarRecord = "tar archive";

/// Reads the headers of a POSIX tar archive as PyTorch 0.1 wrote them, and refuses whatever two tar readers could read
/// differently: wrong checksums, members of one name (ASCII case ignored), members that are no regular files (links,
/// folders, devices, sparse files, GNU long names), extended headers that change more than times and owners (a size
/// beyond the header's field excepted), a missing end mark, bytes after it. No content is read. Throws Error: corrupt,
/// unsupported, limit_exceeded (records, directory_bytes), io.
std::vector<TarMember> read_tar_directory(const ByteSource& source, const Limits& limits);

}  // namespace torchferry
