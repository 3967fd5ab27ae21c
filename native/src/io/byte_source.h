#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace torchferry {

/// Random-access bytes: the leftmost room. A source turns positions into bytes and nothing else; who reads
/// decides what they mean. Sources are immutable and safe to use from any number of threads.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// Bytes in all, fixed when the source was opened.
  std::uint64_t size() const noexcept { return size_; }
  /// What error messages call it: the path as given.
  const std::string& name() const noexcept { return name_; }

  /// Fills `out` from `offset`. Throws Error(corrupt) when the range passes the end as known at opening, and
  /// Error(io) when the system fails or the file has become shorter since.
  virtual void read_at(std::uint64_t offset, std::span<std::byte> out) const = 0;

  /// All bytes in memory, for reading, never null: the caller's memory, or one mapping made on the first call,
  /// shared by all callers and kept as long as any copy of the pointer lives, longer than the source if need
  /// be. Throws Error(io). The pages of a mapped file that is truncated by somebody later raise SIGBUS when
  /// touched; `read_at` gives a typed error instead.
  virtual std::shared_ptr<const std::byte> map() const = 0;

  /// A new mapping of all bytes on each call, which its holder may write to: the writes stay in private copies
  /// of the pages, seen by nobody else, and never reach the file. Null where there is nothing to map, because
  /// the bytes are the caller's memory. Otherwise like `map`.
  virtual std::shared_ptr<std::byte> map_private() const { return nullptr; }
  virtual bool can_map_privately() const noexcept { return false; }
  /// Whether the bytes come over a network (or from a process of the user's, FUSE), where mappings are slow and fragile.
  virtual bool is_remote() const noexcept { return false; }

 protected:
  ByteSource(std::string name, std::uint64_t size) : size_(size), name_(std::move(name)) {}

  /// Throws Error(corrupt) unless the range lies inside the source.
  void require_range(std::uint64_t offset, std::uint64_t length) const;

  /// A pointer for the map of an empty source: not null, never to be read.
  static std::shared_ptr<std::byte> empty_map() noexcept;

  std::uint64_t size_;

 private:
  std::string name_;
};

/// Opens a regular file for reading. Throws Error(io) for a missing file, a directory, one that may not be
/// read, or one that is no regular file (a pipe or a device), each with its cure. `name`: what errors call it;
/// empty: the path.
std::shared_ptr<const ByteSource> open_file(const std::filesystem::path& path, std::string name = {});

/// Whether a file system of this type (f_type of statfs) is one that `ByteSource::is_remote` tells of.
bool is_network_file_system(std::uint64_t type) noexcept;

/// Bytes that are in memory already; `owner` keeps them alive and unchanged as long as the source or a map
/// lives (null when the caller sees to that).
std::shared_ptr<const ByteSource> memory_source(std::span<const std::byte> bytes,
                                                std::shared_ptr<const void> owner, std::string name);

/// A part of a source as a source of its own, under the same name. Throws Error(corrupt) when the part passes the end.
std::shared_ptr<const ByteSource> window_source(std::shared_ptr<const ByteSource> base, std::uint64_t offset,
                                                std::uint64_t size);

}  // namespace torchferry
