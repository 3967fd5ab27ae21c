#pragma once

#include <torchferry/progress.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace torchferry {

/// What came of checking one part of a file.
enum class Check : std::uint8_t {
  matches,     ///< its bytes have the recorded sum
  unrecorded,  ///< it could be read, but the file holds no sum to compare its bytes with
  damaged,     ///< its bytes do not have the recorded sum, or cannot be read
};

/// One part of a file: a record of a zip archive, else a storage.
struct CheckedPart {
  std::string name;
  std::uint64_t bytes;  ///< after inflating
  Check result;
  std::string problem;  ///< why it is damaged; else empty
};

struct Verification {
  std::vector<CheckedPart> parts;  ///< in the order of the file's directory or table
  /// Whether nothing is damaged. Parts without a recorded sum do not count against it.
  bool sound() const noexcept;
};

struct VerifyOptions {
  /// Threads that read; 0: as many as there are processors, at most 8.
  unsigned threads = 0;
  std::shared_ptr<Progress> progress;
};

}  // namespace torchferry
