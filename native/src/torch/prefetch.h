#pragma once

#include <torchferry/load_options.h>

#include <cstdint>
#include <span>
#include <string>

namespace torchferry {

/// Bytes of a mapped file.
struct MappedRange {
  const std::byte* start;
  std::uint64_t nbytes;
};

/// Bytes that `prefetch` will wait for: whole pages.
std::uint64_t bytes_to_prefetch(std::span<const MappedRange> ranges, const LoadOptions& options);

/// Does to the pages of the ranges what `options.prefetch` says; adds the bytes that it waits for to `options.progress`.
/// `file` is what an error calls them. Throws Error(io) when pages cannot be read, Error(cancelled).
void prefetch(std::span<const MappedRange> ranges, const LoadOptions& options, const std::string& file);

}  // namespace torchferry
