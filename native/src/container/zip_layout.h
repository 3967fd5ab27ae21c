#pragma once

#include <torchferry/error.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/checked.h"
#include "io/byte_source.h"

namespace torchferry::zip {

/// The fixed parts of zip's structures: signatures and sizes in bytes.
constexpr std::uint32_t kLocalSignature = 0x04034B50;
constexpr std::uint32_t kEntrySignature = 0x02014B50;
constexpr std::uint32_t kEndSignature = 0x06054B50;
constexpr std::uint32_t kEnd64Signature = 0x06064B50;
constexpr std::uint32_t kLocatorSignature = 0x07064B50;
constexpr std::size_t kLocalBytes = 30;
constexpr std::size_t kEntryBytes = 46;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEnd64Bytes = 56;
constexpr std::size_t kLocatorBytes = 20;

/// A 16 or 32-bit field whose value stands in a zip64 structure.
constexpr std::uint16_t kElsewhere16 = 0xFFFF;
constexpr std::uint32_t kElsewhere32 = 0xFFFFFFFF;

constexpr unsigned kStored = 0;
constexpr unsigned kDeflated = 8;
/// Bits of the flags: encrypted, strongly encrypted, encrypted directory.
constexpr unsigned kEncryptionFlags = 0x0001 | 0x0040 | 0x2000;
constexpr unsigned kDescriptorFlag = 0x0008;
constexpr unsigned kPatchFlag = 0x0020;

/// A piece of the source in memory.
struct Piece {
  std::uint64_t offset = 0;  ///< in the source
  std::size_t size = 0;
  std::unique_ptr<std::byte[]> bytes;

  /// The range must lie inside the source.
  static Piece read(const ByteSource& source, std::uint64_t offset, std::size_t size);

  bool holds(std::uint64_t at, std::uint64_t length) const noexcept {
    return at >= offset && range_within(at - offset, length, size);
  }
  /// The byte at a position of the source that the piece holds.
  const std::byte* at(std::uint64_t position) const noexcept { return bytes.get() + (position - offset); }
};

/// Where in the file an error's byte offset points.
enum class Place {
  end_record,    ///< no record is concerned
  listing,       ///< the record's entry in the directory
  local_header,  ///< the record's local header
};

/// An error in the archive's own structures, at `offset` of the file; says in words what lies there.
Error layout_error(ErrorCode code, const ByteSource& source, Place place, std::uint64_t offset,
                   std::string_view name, const std::string& message);

/// A name from the file, fit for a message: control characters and quotes escaped, cut when very long.
std::string shown(std::string_view name);

}  // namespace torchferry::zip
