#include "container/zip_writer.h"

#include <torchferry/error.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "container/crc32.h"
#include "container/zip_layout.h"

namespace torchferry {
namespace {

/// Sizes and positions from here on do not fit zip's 32-bit fields.
constexpr std::uint64_t kZip64From = zip::kElsewhere32;
constexpr std::uint64_t kUtf8Flag = 0x0800;
constexpr std::uint32_t kDescriptorSignature = 0x08074B50;
constexpr std::uint32_t kMostAlignment = 65'536;
/// An extra field's id and length.
constexpr std::size_t kFieldBytes = 4;
constexpr std::size_t kMost16 = std::numeric_limits<std::uint16_t>::max();

/// Parts that are worth a call of the sink of their own.
constexpr std::size_t kDirectBytes = std::size_t{64} << 10;
constexpr std::size_t kBufferBytes = std::size_t{256} << 10;
/// Summed and handed on together, so that the sink finds the bytes in the cache.
constexpr std::size_t kSummedBytes = std::size_t{512} << 10;

[[noreturn]] void refuse(std::string message) {
  throw Error(ErrorCode::invalid_argument, std::move(message));
}

void append(std::string& text, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i, value >>= 8) text += static_cast<char>(value & 0xFF);
}

/// PyTorch's zip64 field of a local header: sizes of a large record (the second one always 0), and the
/// header's own position when that is far. Empty when there is no need.
std::string local_zip64(std::uint64_t size, std::uint64_t header) {
  const bool large = size >= kZip64From;
  const bool far = header >= kZip64From;
  std::string field;
  if (!large && !far) return field;
  append(field, 0x0001, 2);
  append(field, (large ? 16U : 0U) + (far ? 8U : 0U), 2);
  if (large) append(field, size, 8);
  if (large) append(field, 0, 8);
  if (far) append(field, header, 8);
  return field;
}

std::uint64_t flags_of(std::uint64_t size) {
  return size == 0 ? kUtf8Flag : kUtf8Flag | zip::kDescriptorFlag;
}

/// FNV-1a over bytes of a number or a text.
struct Hash {
  std::uint64_t value = 0xCBF29CE484222325;
  void add(std::string_view text) {
    for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  }
  void add(std::uint64_t number) {
    for (int i = 0; i < 8; ++i) value = (value ^ (number >> (8 * i) & 0xFF)) * 0x100000001B3;
  }
  std::string digits() const {
    const std::string text = std::to_string(value);
    return std::string(20 - text.size(), '0') + text;
  }
};

}  // namespace

ZipWriter::ZipWriter(ByteSink& sink, std::string root, const ZipWriterOptions& options)
    : sink_(sink), root_(std::move(root)), options_(options) {
  if (!std::has_single_bit(options.alignment) || options.alignment > kMostAlignment) {
    refuse("the alignment must be a power of two, at most " + std::to_string(kMostAlignment) + ", not " +
           std::to_string(options.alignment));
  }
  if (root_.empty() || root_.find('/') != std::string::npos)
    refuse("an archive needs a root folder with a plain name");
  buffer_.reserve(kBufferBytes + kDirectBytes);
}

void ZipWriter::put(std::span<const std::byte> bytes) {
  position_ += bytes.size();
  if (bytes.size() >= kDirectBytes) {
    flush();
    sink_.write(bytes);
    return;
  }
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (buffer_.size() >= kBufferBytes) flush();
}

void ZipWriter::put(std::string_view text) { put(std::as_bytes(std::span(text.data(), text.size()))); }

void ZipWriter::put(std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i, value >>= 8)
    buffer_.push_back(static_cast<std::byte>(value & 0xFF));
  position_ += bytes;
}

void ZipWriter::flush() {
  sink_.write(buffer_);
  buffer_.clear();
}

void ZipWriter::add(std::string_view name, std::span<const std::byte> payload) {
  begin(name, payload.size());
  write(payload);
  end();
}

void ZipWriter::add(std::string_view name, std::string_view payload) {
  add(name, std::as_bytes(std::span(payload.data(), payload.size())));
}

void ZipWriter::begin(std::string_view name, std::uint64_t size) {
  entries_.push_back({.name = root_ + "/" + std::string(name), .size = size});
  Entry& entry = entries_.back();
  if (entry.name.size() > kMost16) refuse("the name of a record is too long: " + zip::shown(name));
  std::uint64_t header = position_;
  const auto padding_at = [&](std::uint64_t at, const std::string& zip64) {
    const std::uint64_t start = at + zip::kLocalBytes + entry.name.size() + zip64.size() + kFieldBytes;
    return (options_.alignment - start % options_.alignment) % options_.alignment;
  };
  std::string zip64 = local_zip64(size, header);
  std::uint64_t padding = padding_at(header, zip64);
  // The largest alignment can ask for more padding than an extra field holds; the excess goes before the
  // header.
  if (const std::uint64_t extra = zip64.size() + kFieldBytes + padding; extra > kMost16) {
    put(std::string(static_cast<std::size_t>(extra - kMost16), '\0'));
    header = position_;
    zip64 = local_zip64(size, header);
    padding = padding_at(header, zip64);
  }
  entry.header = header;
  left_ = size;
  put_local_header(zip64, padding);
}

void ZipWriter::put_local_header(std::string_view zip64, std::uint64_t padding) {
  const Entry& entry = entries_.back();
  put(zip::kLocalSignature, 4);
  put(0, 2);
  put(flags_of(entry.size), 2);
  put(zip::kStored, 2);
  put(0, 4 + 4 + 4 + 4);  // time and date, CRC-32 and two sizes: in the descriptor
  put(entry.name.size(), 2);
  put(zip64.size() + kFieldBytes + padding, 2);
  put(entry.name);
  put(zip64);
  put("FB");
  put(padding, 2);
  put(std::string(static_cast<std::size_t>(padding), 'Z'));
}

void ZipWriter::write(std::span<const std::byte> part) {
  if (part.size() > left_)
    refuse("a record got more bytes than announced");
  left_ -= part.size();
  if (!options_.crc32) return put(part);
  while (!part.empty()) {
    const auto piece = part.first(std::min(part.size(), kSummedBytes));
    entries_.back().crc = crc32(entries_.back().crc, piece);
    put(piece);
    part = part.subspan(piece.size());
  }
}

void ZipWriter::end() {
  const Entry& entry = entries_.back();
  if (left_ != 0)
    refuse("the record " + zip::shown(entry.name) + " lacks " + std::to_string(left_) + " bytes");
  if (entry.size == 0) return;
  const std::size_t width = entry.size >= kZip64From || entry.header >= kZip64From ? 8 : 4;
  put(kDescriptorSignature, 4);
  put(entry.crc, 4);
  put(entry.size, width);
  put(entry.size, width);
}

std::string ZipWriter::content_id() const {
  Hash names;
  Hash contents;
  for (const Entry& entry : entries_) {
    names.add(entry.name);
    names.add(std::uint64_t{entry.name.size()});
    contents.add(entry.size);
    contents.add(std::uint64_t{entry.crc});
  }
  return names.digits() + contents.digits();
}

void ZipWriter::finish() {
  const std::uint64_t directory = position_;
  for (const Entry& entry : entries_) put_listing(entry);
  put_end(directory);
  flush();
}

void ZipWriter::put_listing(const Entry& entry) {
  std::string overflowing;
  const auto place = [&overflowing](std::uint64_t value) {
    if (value < kZip64From) return value;
    append(overflowing, value, 8);
    return kZip64From;
  };
  const std::uint64_t size = place(entry.size);
  if (size == kZip64From) append(overflowing, entry.size, 8);
  const std::uint64_t header = place(entry.header);
  put(zip::kEntrySignature, 4);
  put(0, 2 + 2);  // versions
  put(flags_of(entry.size), 2);
  put(zip::kStored, 2);
  put(0, 4);  // time and date
  put(entry.crc, 4);
  put(size, 4);
  put(size, 4);
  put(entry.name.size(), 2);
  put(overflowing.empty() ? 0 : kFieldBytes + overflowing.size(), 2);
  put(0, 2 + 2 + 2 + 4);  // comment, disk, attributes
  put(header, 4);
  put(entry.name);
  if (overflowing.empty()) return;
  put(0x0001, 2);
  put(overflowing.size(), 2);
  put(overflowing);
}

void ZipWriter::put_end(std::uint64_t directory) {
  const std::uint64_t end64 = position_;
  const std::uint64_t bytes = end64 - directory;
  put(zip::kEnd64Signature, 4);
  put(zip::kEnd64Bytes - 12, 8);  // of what follows this number
  put(0x031E, 2);                 // made by, as PyTorch writes it
  put(0x002D, 2);                 // needed: zip64
  put(0, 4 + 4);
  put(entries_.size(), 8);
  put(entries_.size(), 8);
  put(bytes, 8);
  put(directory, 8);
  put(zip::kLocatorSignature, 4);
  put(0, 4);
  put(end64, 8);
  put(1, 4);
  const std::uint64_t count = std::min<std::uint64_t>(entries_.size(), zip::kElsewhere16);
  put(zip::kEndSignature, 4);
  put(0, 2 + 2);
  put(count, 2);
  put(count, 2);
  put(std::min<std::uint64_t>(bytes, zip::kElsewhere32), 4);
  put(std::min<std::uint64_t>(directory, zip::kElsewhere32), 4);
  put(0, 2);
}

}  // namespace torchferry
