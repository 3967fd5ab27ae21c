#pragma once

#include <torchferry/limits.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/byte_source.h"

namespace torchferry {

/// A record of a container, validated: [offset, offset + stored_bytes) lies inside the file.
struct Record {
  std::string_view name;       ///< in full, root folder included; lives as long as the archive
  std::uint64_t offset;        ///< of the payload, in bytes from the start of the source
  std::uint64_t stored_bytes;  ///< as in the file
  std::uint64_t size;          ///< after inflating; equal to stored_bytes when stored
  std::uint32_t crc32;         ///< of the inflated payload; 0 means that the writer left it out
  bool deflated;
};

/// A strict reader of the zip archives that PyTorch writes (and of re-zipped ones): works on the central
/// directory, zip64 included, and refuses whatever two zip readers could read differently: duplicate names,
/// names equal when (ASCII) case is ignored or cut by a NUL, a local header that contradicts the directory in
/// name, method, sizes or checksum, entries that overlap (local headers included) or are out of range,
/// encryption, other methods than stored and deflated, end records that contradict each other, several disks.
/// Payloads are not read at opening.
///
/// Accepted, as PyTorch writes or reads it: sizes and checksums of zero in local headers that announce a data
/// descriptor, any alignment padding, irregular zip64 fields in local headers, bytes after the end of the
/// archive. Folder entries (names ending in '/', without content), which zip tools add, are checked like
/// records and then left out. Names are bytes, not decoded and not normalised; error messages show their
/// control characters escaped. Errors about a record carry its name; their byte offset is one of the file
/// where the message says so, and else one of the record's stored bytes. Immutable; safe to use from any
/// thread.
class ZipArchive {
 public:
  /// Throws Error: corrupt, unsupported, limit_exceeded (records, directory_bytes, inflated_bytes,
  /// inflate_ratio), io, out_of_memory.
  static ZipArchive open(std::shared_ptr<const ByteSource> source, const Limits& limits);

  /// In the order of the central directory; at least one.
  std::span<const Record> records() const noexcept;
  /// The text before the first '/' of the first record's name, not empty; every record lies below it.
  std::string_view root() const noexcept;
  /// The index of the record "root/name", by exact name.
  std::optional<std::uint32_t> find(std::string_view name) const noexcept;

  /// The whole payload, inflated where needed. `max_bytes` bounds what is allocated: a larger record is
  /// Error(limit_exceeded) naming `limit_name`. With `verify`, a wrong non-zero CRC-32 is Error(corrupt).
  std::vector<std::byte> read(std::uint32_t record, std::uint64_t max_bytes, const char* limit_name,
                              bool verify) const;
  /// Fills `out`, whose size is the record's size exactly (Error(invalid_argument) otherwise). After an error
  /// the content of `out` is unspecified.
  void read_into(std::uint32_t record, std::span<std::byte> out, bool verify) const;

  const ByteSource& source() const noexcept;

 private:
  struct Index;
  explicit ZipArchive(std::shared_ptr<const Index> index) : index_(std::move(index)) {}
  const Record& checked_record(std::uint32_t record) const;
  std::shared_ptr<const Index> index_;
};

}  // namespace torchferry
