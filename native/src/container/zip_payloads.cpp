#include <algorithm>
#include <numeric>

#include "container/little_endian.h"
#include "container/zip_directory.h"

namespace torchferry::zip {
namespace {

/// Headers at most this far apart are fetched by one read: so much is copied about as fast as a read is
/// begun, and faster where the file is not cached.
constexpr std::uint64_t kNear = 16 * 1024;
/// The most that is fetched by one read: small enough to stay in the processor's caches.
constexpr std::size_t kWindowBytes = 112 * 1024;
static_assert(kWindowBytes >= kLocalBytes + 0xFFFF);

/// Visits the records in the order of their local headers, which is the listed order in all but edited
/// archives.
class FileOrder {
 public:
  explicit FileOrder(const std::vector<Record>& records) {
    const auto earlier = [](const Record& a, const Record& b) { return a.offset < b.offset; };
    if (std::is_sorted(records.begin(), records.end(), earlier)) return;
    order_.resize(records.size());
    std::iota(order_.begin(), order_.end(), std::uint32_t{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return earlier(records[a], records[b]); });
  }
  std::size_t operator[](std::size_t i) const noexcept { return order_.empty() ? i : order_[i]; }

 private:
  std::vector<std::uint32_t> order_;
};

class PayloadLocator {
 public:
  PayloadLocator(const ByteSource& source, Directory& directory)
      : source_(source), directory_(directory), order_(directory.records) {}

  void run() {
    std::uint64_t free_from = 0;
    for (std::size_t i = 0; i < directory_.records.size(); ++i) {
      Record& record = directory_.records[order_[i]];
      if (record.offset < free_from) throw overlap(i);
      const std::byte* const header = fetch(i);
      check(record, header);
      const std::uint64_t start = header_bytes(record) + load_u16(header + 28);
      if (!range_within(record.offset, start + record.stored_bytes, directory_.offset)) {
        throw error(ErrorCode::corrupt, record, "the record's bytes pass into the directory");
      }
      record.offset += start;
      free_from = record.offset + record.stored_bytes;
    }
  }

 private:
  static std::uint64_t header_bytes(const Record& record) noexcept {
    return kLocalBytes + record.name.size();
  }

  Error error(ErrorCode code, const Record& record, const std::string& message) const {
    return layout_error(code, source_, Place::local_header, record.offset, record.name, message);
  }

  Error overlap(std::size_t i) const {
    return error(
        ErrorCode::corrupt, directory_.records[order_[i]],
        "the record overlaps the one before it, \"" + shown(directory_.records[order_[i - 1]].name) + "\"");
  }

  /// The local header and name of the i-th record in file order. Nothing of the extra field is needed but its
  /// size.
  const std::byte* fetch(std::size_t i) {
    const Record& record = directory_.records[order_[i]];
    const std::uint64_t offset = record.offset;
    const std::uint64_t needed = header_bytes(record);
    if (directory_.bytes.holds(offset, needed)) return directory_.bytes.at(offset);
    if (window_.holds(offset, needed)) return window_.at(offset);

    std::uint64_t end = offset + needed;
    std::uint64_t previous = offset;
    for (std::size_t next = i + 1; next < directory_.records.size(); ++next) {
      const Record& following = directory_.records[order_[next]];
      const std::uint64_t following_end = following.offset + header_bytes(following);
      if (following.offset - previous > kNear || following_end - offset > kWindowBytes) break;
      end = std::max(end, following_end);
      previous = following.offset;
    }
    if (!window_.bytes) window_.bytes = std::make_unique_for_overwrite<std::byte[]>(kWindowBytes);
    window_.offset = offset;
    window_.size = static_cast<std::size_t>(end - offset);
    source_.read_at(offset, {window_.bytes.get(), window_.size});
    return window_.at(offset);
  }

  void check(const Record& record, const std::byte* p) const {
    if (load_u32(p) != kLocalSignature) {
      throw error(ErrorCode::corrupt, record, "no local header lies where the directory says");
    }
    const unsigned flags = load_u16(p + 6);
    if ((flags & (kEncryptionFlags | kPatchFlag)) != 0) {
      throw error(ErrorCode::unsupported, record,
                  "the local header says that the record is encrypted or a patch");
    }
    if (load_u16(p + 8) != (record.deflated ? kDeflated : kStored)) {
      throw error(ErrorCode::corrupt, record,
                  "the local header's compression method differs from the directory's");
    }
    check_name(record, p);
    const bool described = (flags & kDescriptorFlag) != 0;
    if (!size_agrees(load_u32(p + 18), record.stored_bytes, described) ||
        !size_agrees(load_u32(p + 22), record.size, described)) {
      throw error(ErrorCode::corrupt, record, "the local header's sizes differ from the directory's");
    }
    const std::uint32_t crc = load_u32(p + 14);
    if (crc != 0 && crc != record.crc32) {
      throw error(ErrorCode::corrupt, record, "the local header's CRC-32 differs from the directory's");
    }
  }

  void check_name(const Record& record, const std::byte* p) const {
    const std::size_t length = load_u16(p + 26);
    const auto* const name = reinterpret_cast<const char*>(p + kLocalBytes);
    if (length == record.name.size() && record.name == std::string_view(name, length)) return;
    const std::string_view start(name, std::min(length, record.name.size()));
    throw error(ErrorCode::corrupt, record,
                "the local header's name (" + std::to_string(length) + " bytes, \"" + shown(start) +
                    (length > start.size() ? "\"...)" : "\")") + " differs from the directory's");
  }

  /// Sizes may stand elsewhere: in a zip64 field, or after the payload, where the header leaves them zero.
  static bool size_agrees(std::uint32_t local, std::uint64_t listed, bool described) noexcept {
    return local == listed || local == kElsewhere32 || (described && local == 0);
  }

  const ByteSource& source_;
  Directory& directory_;
  FileOrder order_;
  Piece window_;
};

}  // namespace

void locate_payloads(const ByteSource& source, Directory& directory) {
  PayloadLocator(source, directory).run();
}

}  // namespace torchferry::zip
