#include <optional>

#include "container/little_endian.h"
#include "container/zip_directory.h"

namespace torchferry::zip {
namespace {

Error end_error(ErrorCode code, const ByteSource& source, std::uint64_t offset, const std::string& message) {
  return layout_error(code, source, Place::end_record, offset, {}, message);
}

/// The last end record's position in the file; an earlier one is never used instead, whatever the last one
/// says.
std::optional<std::uint64_t> find_end(const Piece& tail) {
  if (tail.size < kEndBytes) return std::nullopt;
  const std::size_t last = tail.size - kEndBytes;
  const std::size_t first = last > kMostAfterEnd ? last - kMostAfterEnd : 0;
  for (std::size_t at = last + 1; at-- > first;) {
    if (load_u32(tail.bytes.get() + at) == kEndSignature) return tail.offset + at;
  }
  return std::nullopt;
}

/// The fields that both kinds of end record have.
struct EndFields {
  std::uint64_t disk, directory_disk, entries_here, entries, bytes, offset;
};

EndFields classic_fields(const std::byte* p) {
  return {load_u16(p + 4),  load_u16(p + 6),  load_u16(p + 8),
          load_u16(p + 10), load_u32(p + 12), load_u32(p + 16)};
}

EndFields zip64_fields(const std::byte* p) {
  return {load_u32(p + 16), load_u32(p + 20), load_u64(p + 24),
          load_u64(p + 32), load_u64(p + 40), load_u64(p + 48)};
}

void require_one_disk(const ByteSource& source, std::uint64_t at, const EndFields& end) {
  if (end.disk == 0 && end.directory_disk == 0 && end.entries_here == end.entries) return;
  throw end_error(
      ErrorCode::unsupported, source, at,
      "the end record speaks of an archive split over several disks; join the parts into one file");
}

bool agrees(std::uint64_t classic, std::uint64_t zip64, std::uint64_t elsewhere) {
  return classic == zip64 || classic == elsewhere;
}

/// Follows the locator that precedes the classic end record at `classic_at`. Sets `start` to the position of
/// the zip64 end record, which lies directly before the locator: readers that search it there and readers
/// that trust the locator must find the same one.
EndFields read_zip64(const ByteSource& source, const Piece& tail, std::uint64_t classic_at,
                     std::uint64_t& start) {
  const std::uint64_t locator_at = classic_at - kLocatorBytes;
  const std::byte* const locator = tail.at(locator_at);
  start = load_u64(locator + 8);
  if (load_u32(locator + 4) != 0 || load_u32(locator + 16) > 1) {
    throw end_error(ErrorCode::unsupported, source, locator_at,
                    "the zip64 locator speaks of several disks; join the parts into one file");
  }
  if (!range_within(start, kEnd64Bytes, locator_at)) {
    throw end_error(ErrorCode::corrupt, source, locator_at, "the zip64 locator points outside the archive");
  }
  Piece elsewhere;
  if (!tail.holds(start, kEnd64Bytes)) elsewhere = Piece::read(source, start, kEnd64Bytes);
  const std::byte* const end64 = elsewhere.bytes ? elsewhere.at(start) : tail.at(start);
  if (load_u32(end64) != kEnd64Signature || load_u64(end64 + 4) != locator_at - start - 12) {
    throw end_error(ErrorCode::corrupt, source, start,
                    "no zip64 end record that reaches to its locator lies here");
  }
  const EndFields fields = zip64_fields(end64);
  require_one_disk(source, start, fields);
  return fields;
}

}  // namespace

End read_end(const ByteSource& source, const Piece& tail) {
  const std::optional<std::uint64_t> at = find_end(tail);
  if (!at) {
    throw end_error(
        ErrorCode::corrupt, source, source.size(),
        "no end of a zip archive is found; the file is cut off or something else: fetch it again");
  }
  const std::byte* const p = tail.at(*at);
  if (load_u16(p + 20) > source.size() - *at - kEndBytes) {
    throw end_error(ErrorCode::corrupt, source, *at,
                    "the archive's comment is cut off; fetch the file again");
  }
  EndFields fields = classic_fields(p);
  std::uint64_t directory_end = *at;
  const bool located = *at >= kLocatorBytes && tail.holds(*at - kLocatorBytes, kLocatorBytes) &&
                       load_u32(tail.at(*at - kLocatorBytes)) == kLocatorSignature;
  if (located) {
    const EndFields zip64 = read_zip64(source, tail, *at, directory_end);
    if (!agrees(fields.disk, zip64.disk, kElsewhere16) ||
        !agrees(fields.directory_disk, zip64.directory_disk, kElsewhere16) ||
        !agrees(fields.entries_here, zip64.entries_here, kElsewhere16) ||
        !agrees(fields.entries, zip64.entries, kElsewhere16) ||
        !agrees(fields.bytes, zip64.bytes, kElsewhere32) ||
        !agrees(fields.offset, zip64.offset, kElsewhere32)) {
      throw end_error(ErrorCode::corrupt, source, *at, "the end record contradicts the zip64 end record");
    }
    fields = zip64;
  } else {
    require_one_disk(source, *at, fields);
  }
  if (!range_within(fields.offset, fields.bytes, directory_end) ||
      fields.offset + fields.bytes != directory_end) {
    throw end_error(ErrorCode::corrupt, source, *at,
                    "the directory (" + std::to_string(fields.bytes) + " bytes from byte " +
                        std::to_string(fields.offset) + ") does not end where its end record begins (byte " +
                        std::to_string(directory_end) +
                        "); bytes are missing or were put before the archive");
  }
  return {fields.offset, fields.bytes, fields.entries};
}

}  // namespace torchferry::zip
