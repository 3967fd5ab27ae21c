#include "container/zip_directory.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "base/limit_error.h"
#include "container/little_endian.h"
#include "container/other_archives.h"

namespace torchferry::zip {
namespace {

/// Turns the directory's entries into records, one after the other.
class ListingReader {
 public:
  ListingReader(const ByteSource& source, const Limits& limits, Directory& directory, std::uint64_t bytes)
      : source_(source), limits_(limits), directory_(directory), at_(directory.offset),
        end_(directory.offset + bytes) {}

  void read(std::uint64_t entries) {
    directory_.records.reserve(static_cast<std::size_t>(entries));
    for (; entries != 0; --entries) read_entry();
    if (at_ != end_) throw error(ErrorCode::corrupt, "the directory goes on after the last of its entries");
  }

 private:
  Error error(ErrorCode code, const std::string& message) const {
    return layout_error(code, source_, name_.empty() ? Place::end_record : Place::listing, at_, name_,
                        message);
  }

  void read_entry() {
    name_ = {};
    const std::uint64_t left = end_ - at_;
    if (left < kEntryBytes) {
      throw error(ErrorCode::corrupt, "the directory ends before the last of its entries");
    }
    const std::byte* const p = directory_.bytes.at(at_);
    if (load_u32(p) != kEntrySignature) {
      throw error(ErrorCode::corrupt, "no entry of the directory lies here");
    }
    const std::size_t name_bytes = load_u16(p + 28);
    const std::size_t extra_bytes = load_u16(p + 30);
    const std::size_t length = kEntryBytes + name_bytes + extra_bytes + load_u16(p + 32);
    if (left < length) throw error(ErrorCode::corrupt, "an entry passes the end of the directory");
    name_ = {reinterpret_cast<const char*>(p + kEntryBytes), name_bytes};
    check_name();
    check_method(p);

    Record record{};
    record.name = name_;
    record.crc32 = load_u32(p + 16);
    record.deflated = load_u16(p + 10) == kDeflated;
    record.stored_bytes = load_u32(p + 20);
    record.size = load_u32(p + 24);
    record.offset = load_u32(p + 42);
    std::uint32_t disk = load_u16(p + 34);
    if (extra_bytes != 0 || needs_zip64(record, disk)) {
      apply_zip64({p + kEntryBytes + name_bytes, extra_bytes}, record, disk);
    }
    check_extent(record, disk);
    directory_.records.push_back(record);
    at_ += length;
  }

  void check_name() {
    if (name_.empty()) throw error(ErrorCode::corrupt, "the directory lists a record without a name");
    if (name_.find('\0') != std::string_view::npos) {
      throw error(ErrorCode::corrupt, "the record's name contains a NUL character");
    }
    if (directory_.records.empty()) {
      const std::size_t slash = name_.find('/');
      if (slash == std::string_view::npos || slash == 0) {
        if (const char* const what = other_archive_with(name_)) throw error(ErrorCode::unsupported, what);
        throw error(ErrorCode::corrupt, "file in archive is not in a subdirectory: " + shown(name_));
      }
      directory_.root = name_.substr(0, slash);
    }
    const std::string_view root = directory_.root;
    if (name_.size() <= root.size() || name_[root.size()] != '/' || !name_.starts_with(root)) {
      throw error(ErrorCode::corrupt,
                  "file in archive is not in a subdirectory " + shown(root) + "/: " + shown(name_));
    }
    if (name_.back() == '/') directory_.has_folders = true;
  }

  void check_method(const std::byte* p) const {
    const unsigned flags = load_u16(p + 8);
    const unsigned method = load_u16(p + 10);
    if ((flags & kEncryptionFlags) != 0) {
      throw error(ErrorCode::unsupported,
                  "the record is encrypted; decrypt the archive with the tool that made it");
    }
    if ((flags & kPatchFlag) != 0) {
      throw error(ErrorCode::unsupported, "the record is a patch of another one");
    }
    if (method != kStored && method != kDeflated) {
      throw error(ErrorCode::unsupported,
                  "the record has compression method " + std::to_string(method) +
                      ", and only 0 (stored) and 8 (deflated) are read; zip it again");
    }
  }

  static bool needs_zip64(const Record& record, std::uint32_t disk) noexcept {
    return record.size == kElsewhere32 || record.stored_bytes == kElsewhere32 ||
           record.offset == kElsewhere32 || disk == kElsewhere16;
  }

  /// Finds the zip64 field among the extra fields and takes the overflowing values from it, in their fixed
  /// order.
  void apply_zip64(std::span<const std::byte> extra, Record& record, std::uint32_t& disk) const {
    std::optional<std::span<const std::byte>> zip64;
    while (extra.size() >= 4) {
      const unsigned id = load_u16(extra.data());
      const std::size_t size = load_u16(extra.data() + 2);
      if (size > extra.size() - 4) throw error(ErrorCode::corrupt, "an extra field of the record is cut off");
      if (id == 0x0001) {
        if (zip64) throw error(ErrorCode::corrupt, "the record has two zip64 fields");
        zip64 = extra.subspan(4, size);
      }
      extra = extra.subspan(4 + size);
    }
    if (!needs_zip64(record, disk)) return;
    std::span<const std::byte> rest = zip64.value_or(std::span<const std::byte>{});
    const auto take = [&](std::size_t size) {
      if (rest.size() < size) {
        throw error(ErrorCode::corrupt, "the record's zip64 field is missing or too short");
      }
      const std::byte* const value = rest.data();
      rest = rest.subspan(size);
      return value;
    };
    if (record.size == kElsewhere32) record.size = load_u64(take(8));
    if (record.stored_bytes == kElsewhere32) record.stored_bytes = load_u64(take(8));
    if (record.offset == kElsewhere32) record.offset = load_u64(take(8));
    if (disk == kElsewhere16) disk = load_u32(take(4));
  }

  void check_extent(const Record& record, std::uint32_t disk) {
    if (disk != 0) {
      throw error(ErrorCode::unsupported, "the record lies on another disk; join the parts into one file");
    }
    const std::uint64_t header = kLocalBytes + name_.size();
    if (!range_within(record.offset, header, directory_.offset) ||
        record.stored_bytes > directory_.offset - record.offset - header) {
      throw error(ErrorCode::corrupt, "the record (" + std::to_string(record.stored_bytes) +
                                          " bytes, header at " + std::to_string(record.offset) +
                                          ") does not lie before the directory");
    }
    if (is_folder(record) && record.size != 0) {
      throw error(ErrorCode::corrupt, "the record has a folder's name but content as well");
    }
    if (!record.deflated) {
      if (record.size == record.stored_bytes) return;
      throw error(ErrorCode::corrupt, "the record is stored, but its two sizes differ (" +
                                          std::to_string(record.stored_bytes) + " and " +
                                          std::to_string(record.size) + " bytes)");
    }
    check_inflation(record);
  }

  void check_inflation(const Record& record) {
    const auto most = checked_mul(record.stored_bytes, limits_.inflate_ratio);
    if (most && record.size > *most) {
      throw error(ErrorCode::limit_exceeded,
                  over_limit("the record's " + std::to_string(record.stored_bytes) +
                                 " deflated bytes claim to give " + std::to_string(record.size),
                             "inflate_ratio", limits_.inflate_ratio));
    }
    const auto sum = checked_add(inflated_, record.size);
    if (!sum || *sum > limits_.inflated_bytes) {
      throw error(ErrorCode::limit_exceeded,
                  over_limit("the deflated records up to this one give too many bytes", "inflated_bytes",
                             limits_.inflated_bytes));
    }
    inflated_ = *sum;
  }

  const ByteSource& source_;
  const Limits& limits_;
  Directory& directory_;
  std::uint64_t at_;   ///< of the entry in hand, in the file
  std::uint64_t end_;  ///< of the directory, in the file
  std::uint64_t inflated_ = 0;
  std::string_view name_;  ///< of the entry in hand, empty while unknown
};

void check_limits(const ByteSource& source, const Limits& limits, const End& end) {
  const auto refuse = [&](ErrorCode code, const std::string& message) {
    throw layout_error(code, source, Place::end_record, end.directory_offset, {}, message);
  };
  const std::string entries = "the archive has " + std::to_string(end.entries) + " records";
  if (end.entries > limits.records) refuse(ErrorCode::limit_exceeded, over_limit(entries, "records", limits.records));
  if (end.entries >= std::numeric_limits<std::uint32_t>::max()) {
    refuse(ErrorCode::limit_exceeded, entries + ", and 4294967294 are the most that can be read");
  }
  if (end.directory_bytes > limits.directory_bytes) {
    refuse(ErrorCode::limit_exceeded,
           over_limit("the archive's directory has " + std::to_string(end.directory_bytes) + " bytes",
                      "directory_bytes", limits.directory_bytes));
  }
  if (end.entries == 0) refuse(ErrorCode::corrupt, "the archive is empty");
  if (end.entries > end.directory_bytes / kEntryBytes) {
    refuse(ErrorCode::corrupt,
           "the directory is too short for its " + std::to_string(end.entries) + " entries");
  }
}

}  // namespace

Directory read_directory(const ByteSource& source, const Limits& limits) {
  const auto tail_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(source.size(), kTailBytes));
  Piece tail = Piece::read(source, source.size() - tail_bytes, tail_bytes);
  const End end = read_end(source, tail);
  check_limits(source, limits, end);

  Directory directory;
  directory.offset = end.directory_offset;
  if (tail.holds(end.directory_offset, end.directory_bytes)) {
    directory.bytes = std::move(tail);
  } else {
    directory.bytes =
        Piece::read(source, end.directory_offset, static_cast<std::size_t>(end.directory_bytes));
  }
  ListingReader(source, limits, directory, end.directory_bytes).read(end.entries);
  return directory;
}

}  // namespace torchferry::zip
