#pragma once

#include <torchferry/limits.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "io/byte_source.h"
#include "pickle/tree.h"

namespace torchferry {

/// One of several pickles that stand in a file one after the other, with the bytes that its tree points into.
struct FilePickle {
  std::vector<std::byte> bytes;
  pickle::Tree tree;
  std::uint64_t end;  ///< where the next part starts, in bytes from the start of the file
};

/// A stretch of a file that holds pickles, as errors name it.
struct PickleStretch {
  const ByteSource& source;
  std::uint64_t end;      ///< of the stretch, in the file
  const char* record;     ///< what errors call it
  std::uint64_t origin;   ///< where the offsets of errors count from, in the file
  std::size_t first_read; ///< bytes that most of its pickles stay below
};

/// Reads the pickle at `start`, whose length nothing tells: more is read until it is whole. Throws Error with record
/// and offset.
FilePickle read_file_pickle(const PickleStretch& stretch, std::uint64_t start, const Limits& limits);

}  // namespace torchferry
