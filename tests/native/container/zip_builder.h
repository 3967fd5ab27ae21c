#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/checked.h"
#include "container/crc32.h"
#include "io/byte_source.h"
#include "io/temp_file.h"

namespace torchferry::testing {

inline void append_le(std::string& bytes, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes += i < 8 ? static_cast<char>(value >> (8 * i) & 0xFF) : '\0';
}

/// Overwrites a little-endian number: how tests make a good archive lie.
inline void poke(std::string& bytes, std::uint64_t at, std::uint64_t value, std::size_t size) {
  std::string number;
  append_le(number, value, size);
  bytes.replace(static_cast<std::size_t>(at), size, number);
}

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// A source that keeps its own copy of `bytes`.
inline std::shared_ptr<const ByteSource> source_of(std::string bytes, std::string name = "test.pt") {
  auto kept = std::make_shared<const std::string>(std::move(bytes));
  return memory_source(as_bytes(*kept), kept, std::move(name));
}

/// `payload` as a raw deflate stream of stored blocks, which any inflater must undo.
inline std::string deflate_stored(std::string_view payload) {
  std::string stream;
  do {
    const std::string_view part = payload.substr(0, 0xFFFF);
    payload.remove_prefix(part.size());
    stream += payload.empty() ? '\1' : '\0';
    append_le(stream, part.size(), 2);
    append_le(stream, ~part.size(), 2);
    stream += part;
  } while (!payload.empty());
  return stream;
}

/// One record to write. What is not set is written truly.
struct ZipEntry {
  std::string name;
  std::string payload = {};  ///< as stored: already deflated when `method` is 8
  std::uint16_t method = 0;
  std::uint64_t hole = 0;                  ///< zero bytes after the payload that take no room on disk
  std::optional<std::uint64_t> size = {};  ///< listed inflated size
  std::optional<std::uint32_t> crc = {};   ///< listed CRC-32, of the inflated payload
  std::optional<std::string> local_name = {};
  std::uint16_t flags = 0;  ///< set in both headers besides the usual ones
};

/// Where the parts of a built archive lie in it.
struct ZipLayout {
  std::vector<std::uint64_t> headers, payloads, listings;  ///< one an entry
  std::uint64_t directory = 0, end64 = 0, locator = 0, end = 0;
};

/// Writes zip archives byte for byte as PyTorch's writer does: 64-byte alignment by an "FB" field, sizes only
/// in data descriptors and the directory, zip64 end records always, and its irregular zip64 fields beyond 4
/// GiB.
class ZipBuilder {
 public:
  std::uint64_t alignment = 64;  ///< 1: no padding field
  bool zip64_end = true;
  std::string trailing;  ///< after the end record
  std::string comment;
  std::uint16_t descriptor_flag =
      8;  ///< 0: sizes and CRC-32 in the local header, no descriptors, as zip tools do

  ZipBuilder& add(ZipEntry entry) {
    entries_.push_back(std::move(entry));
    return *this;
  }
  ZipBuilder& add(std::string name, std::string payload) {
    return add(ZipEntry{.name = std::move(name), .payload = std::move(payload)});
  }
  ZipBuilder& add_deflated(std::string name, std::string_view content) {
    return add(ZipEntry{.name = std::move(name),
                        .payload = deflate_stored(content),
                        .method = 8,
                        .size = content.size(),
                        .crc = crc32(0, as_bytes(content))});
  }
  /// Leaves a gap: the next local header lies at `offset`, beyond all that is there.
  ZipBuilder& skip_to(std::uint64_t offset) {
    gaps_.push_back({entries_.size(), offset});
    return *this;
  }

  /// The archive's bytes. Only without gaps and holes.
  std::string bytes() {
    build();
    return segments_.front().bytes;
  }
  std::shared_ptr<const ByteSource> source() { return source_of(bytes()); }
  /// Writes a file, sparse where there are gaps and holes.
  std::filesystem::path write(const std::filesystem::path& path) {
    build();
    for (const Segment& segment : segments_) write_at(path, segment.offset, segment.bytes);
    return path;
  }
  /// Of the archive built last.
  const ZipLayout& layout() const { return layout_; }

 private:
  static constexpr std::uint64_t kLimit = 0xFFFFFFFF;

  struct Segment {
    std::uint64_t offset;
    std::string bytes;
    std::uint64_t end() const { return offset + bytes.size(); }
  };
  struct Gap {
    std::size_t before;
    std::uint64_t offset;
  };

  std::string& out() { return segments_.back().bytes; }
  std::uint64_t position() const { return segments_.back().end(); }
  void put(std::uint64_t value, std::size_t size) { append_le(out(), value, size); }
  static std::uint64_t stored_bytes(const ZipEntry& entry) { return entry.payload.size() + entry.hole; }
  static std::uint64_t size(const ZipEntry& entry) { return entry.size.value_or(stored_bytes(entry)); }
  static std::uint32_t crc(const ZipEntry& entry) {
    return entry.crc.value_or(entry.hole == 0 ? crc32(0, as_bytes(entry.payload)) : 0);
  }
  bool is_described(const ZipEntry& entry) const { return descriptor_flag != 0 && stored_bytes(entry) != 0; }
  std::uint16_t flags(const ZipEntry& entry, bool described) const {
    return static_cast<std::uint16_t>(0x0800 | entry.flags | (described ? descriptor_flag : 0));
  }

  void build() {
    segments_.assign(1, {0, {}});
    layout_ = {};
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      for (const Gap& gap : gaps_) {
        if (gap.before == i) segments_.push_back({gap.offset, {}});
      }
      put_local(entries_[i]);
    }
    layout_.directory = position();
    for (std::size_t i = 0; i < entries_.size(); ++i) put_listing(entries_[i], layout_.headers[i]);
    put_end(position() - layout_.directory);
  }

  void put_local(const ZipEntry& entry) {
    const std::uint64_t header = position();
    const std::string& name = entry.local_name ? *entry.local_name : entry.name;
    const bool large = stored_bytes(entry) >= kLimit;
    const bool far = header >= kLimit;
    const bool described = is_described(entry);
    std::string extra;
    if (large || far) {
      append_le(extra, 1, 2);
      append_le(extra, (large ? 16U : 0U) + (far ? 8U : 0U), 2);
      if (large) append_le(extra, size(entry), 8);
      if (large) append_le(extra, 0, 8);
      if (far) append_le(extra, header, 8);
    }
    if (alignment > 1) {
      const std::uint64_t start = header + 30 + name.size() + extra.size() + 4;
      const std::uint64_t padding = (alignment - start % alignment) % alignment;
      extra += "FB";
      append_le(extra, padding, 2);
      extra.append(static_cast<std::size_t>(padding), 'Z');
    }
    layout_.headers.push_back(header);
    put(0x04034B50, 4);
    put(0, 2);
    put(flags(entry, described), 2);
    put(entry.method, 2);
    put(0, 4);
    put(described ? 0 : crc(entry), 4);
    put(described ? 0 : stored_bytes(entry), 4);
    put(described ? 0 : size(entry), 4);
    put(name.size(), 2);
    put(extra.size(), 2);
    out() += name + extra;
    layout_.payloads.push_back(position());
    out() += entry.payload;
    if (entry.hole != 0) segments_.push_back({position() + entry.hole, {}});
    if (!described) return;
    const std::size_t width = large || far ? 8 : 4;
    put(0x08074B50, 4);
    put(crc(entry), 4);
    put(stored_bytes(entry), width);
    put(size(entry), width);
  }

  void put_listing(const ZipEntry& entry, std::uint64_t header) {
    std::string extra;
    const auto place = [&extra](std::uint64_t value) {
      if (value < kLimit) return value;
      append_le(extra, value, 8);
      return kLimit;
    };
    const std::uint64_t listed_size = place(size(entry));
    const std::uint64_t listed_stored = place(stored_bytes(entry));
    const std::uint64_t listed_header = place(header);
    if (!extra.empty()) {
      std::string field;
      append_le(field, 1, 2);
      append_le(field, extra.size(), 2);
      extra = field + extra;
    }
    layout_.listings.push_back(position());
    put(0x02014B50, 4);
    put(0, 4);
    put(flags(entry, is_described(entry)), 2);
    put(entry.method, 2);
    put(0, 4);
    put(crc(entry), 4);
    put(listed_stored, 4);
    put(listed_size, 4);
    put(entry.name.size(), 2);
    put(extra.size(), 2);
    put(0, 2);
    put(0, 8);
    put(listed_header, 4);
    out() += entry.name + extra;
  }

  void put_end(std::uint64_t directory_bytes) {
    if (zip64_end) {
      layout_.end64 = position();
      put(0x06064B50, 4);
      put(44, 8);
      put(0x031E, 2);
      put(0x002D, 2);
      put(0, 8);
      put(entries_.size(), 8);
      put(entries_.size(), 8);
      put(directory_bytes, 8);
      put(layout_.directory, 8);
      layout_.locator = position();
      put(0x07064B50, 4);
      put(0, 4);
      put(layout_.end64, 8);
      put(1, 4);
    }
    layout_.end = position();
    const std::uint64_t count = entries_.size() < 0xFFFF ? entries_.size() : 0xFFFF;
    put(0x06054B50, 4);
    put(0, 4);
    put(count, 2);
    put(count, 2);
    put(directory_bytes < kLimit ? directory_bytes : kLimit, 4);
    put(layout_.directory < kLimit ? layout_.directory : kLimit, 4);
    put(comment.size(), 2);
    out() += comment + trailing;
  }

  std::vector<ZipEntry> entries_;
  std::vector<Gap> gaps_;
  std::vector<Segment> segments_;
  ZipLayout layout_;
};

}  // namespace torchferry::testing
