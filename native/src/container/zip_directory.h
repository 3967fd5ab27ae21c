#pragma once

#include <torchferry/limits.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "container/zip_archive.h"
#include "container/zip_layout.h"

namespace torchferry::zip {

/// The central directory of an archive, read and validated as far as it goes by itself.
struct Directory {
  Piece bytes;               ///< the listing (with the end of the file when it is near); names point into it
  std::uint64_t offset = 0;  ///< of the listing in the file: entries must end before it
  std::vector<Record> records;  ///< in listed order, folder entries included
  std::string_view root;        ///< the folder that all names lie in, without its '/'
  bool has_folders = false;
};

/// Finds and reads the directory. The records' `offset` is that of the local header, which is known to lie
/// before the directory with its name, until `locate_payloads` has been called.
Directory read_directory(const ByteSource& source, const Limits& limits);

/// Reads the local headers, in file order and several at a time where they lie close together, compares them
/// with the directory and moves the records' offsets on to the payloads. Entries must not overlap each other.
void locate_payloads(const ByteSource& source, Directory& directory);

/// A folder entry: listed, but no record.
inline bool is_folder(const Record& record) noexcept { return record.name.back() == '/'; }

/// Where the end records say that the directory lies: validated to end where the end records begin.
struct End {
  std::uint64_t directory_offset = 0;
  std::uint64_t directory_bytes = 0;
  std::uint64_t entries = 0;
};

/// Reads the end record, and the zip64 one before it, which must agree. `tail` is the end of the file, at
/// least `kTailBytes` of it unless the file is shorter.
End read_end(const ByteSource& source, const Piece& tail);

/// What may follow the end record, a comment or junk: zip readers look no further.
constexpr std::size_t kMostAfterEnd = 0xFFFF;
/// Enough for the end record and a zip64 one before it.
constexpr std::size_t kTailBytes = kEnd64Bytes + kLocatorBytes + kEndBytes + kMostAfterEnd;

}  // namespace torchferry::zip
