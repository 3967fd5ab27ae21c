#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/byte_sink.h"

namespace torchferry {

struct ZipWriterOptions {
  /// Every payload starts at a multiple of this many bytes: a power of two, at most 65,536. 64 suits every
  /// dtype and vector unit, 4096 direct reading and mapping single records.
  std::uint32_t alignment = 64;
  /// Records the CRC-32 of payloads. Otherwise 0 stands for it, which readers take as "not recorded" (zip
  /// tools as a wrong sum).
  bool crc32 = true;
};

/// Writes a zip archive from front to back, byte for byte as PyTorch's own writer does it: stored payloads,
/// aligned by an "FB" extra field, sizes and sums in data descriptors, zip64 end records always. Beyond 4 GiB
/// its local zip64 fields are PyTorch's too, which zip's specification does not know: zip readers go by the
/// directory, where all is regular, and torch.load's offset arithmetic (`load.calculate_storage_offsets`)
/// counts on their lengths.
///
/// Needs memory for the list of records only. After an error the archive is of no use. For one thread.
class ZipWriter {
 public:
  /// `root` is the folder that all records lie in, not empty and without '/'. `sink` must outlive the writer.
  /// Throws Error(invalid_argument).
  ZipWriter(ByteSink& sink, std::string root, const ZipWriterOptions& options = {});

  /// A record whose payload is in memory. `name` is the part below the root.
  void add(std::string_view name, std::span<const std::byte> payload);
  void add(std::string_view name, std::string_view payload);

  /// A record whose payload comes in parts that make up `size` bytes together.
  void begin(std::string_view name, std::uint64_t size);
  void write(std::span<const std::byte> part);
  void end();

  /// 40 digits made of the names, sizes and sums so far, as the record ".data/serialization_id" holds them.
  std::string content_id() const;

  /// Writes the directory. Nothing may be added afterwards.
  void finish();

 private:
  struct Entry {
    std::string name;
    std::uint64_t header = 0;  ///< position of the local header
    std::uint64_t size = 0;
    std::uint32_t crc = 0;
  };

  void put(std::span<const std::byte> bytes);
  void put(std::string_view text);
  void put(std::uint64_t value, std::size_t bytes);
  void flush();
  void put_local_header(std::string_view zip64, std::uint64_t padding);
  void put_listing(const Entry& entry);
  void put_end(std::uint64_t directory);

  ByteSink& sink_;
  const std::string root_;
  const ZipWriterOptions options_;
  std::vector<Entry> entries_;  ///< while a record is open, the last one
  std::uint64_t left_ = 0;      ///< bytes that the open record still needs
  std::uint64_t position_ = 0;
  std::vector<std::byte> buffer_;  ///< the last bytes before position_, on their way to the sink
};

}  // namespace torchferry
