#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

namespace torchferry {

/// What went wrong, as a caller would sort it. One Java exception class stands for each.
enum class ErrorCode : std::uint8_t {
  corrupt,              ///< the bytes break the format's own rules (CorruptCheckpointException)
  unsafe,               ///< the file asks for code to be run, and the caller asked for weights only (Unsafe…)
  unsupported,          ///< valid, and recognised, but not something that can be read here (Unsupported…)
  limit_exceeded,       ///< a limit of `Limits` was passed; the message names it (LimitExceeded…)
  io,                   ///< the operating system refused: missing file, directory, short read (IOException)
  device_unavailable,   ///< the placement names a device that is not there (DeviceUnavailableException)
  incompatible_keys,    ///< load_state_dict found missing, unexpected or mismatching entries
  invalid_argument,     ///< the caller's mistake (IllegalArgumentException)
  out_of_memory,        ///< host or device memory ran out; everything taken was given back
  cancelled,            ///< stopped because the caller asked for it
};

/// The lower-case name of a code, for example "corrupt".
const char* name(ErrorCode code) noexcept;

/// The one exception type that leaves Torchferry's C++ code. `what()` reads
/// "FILE: record RECORD, byte OFFSET: MESSAGE", without what is not known, and with control characters escaped.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, std::string message);
  Error(ErrorCode code, std::string file, std::string record, std::optional<std::uint64_t> offset,
        std::string message);

  ErrorCode code() const noexcept { return code_; }
  /// The file's name as given to `open`, or empty.
  const std::string& file() const noexcept { return file_; }
  /// The record (zip entry, section) inside the file, or empty.
  const std::string& record() const noexcept { return record_; }
  /// Bytes from the start of the record, or of the file where there is no record.
  std::optional<std::uint64_t> offset() const noexcept { return offset_; }
  /// The message without the place.
  const std::string& message() const noexcept { return message_; }

  /// The same error with the places that it lacks filled in; what is already there stays.
  Error in(const std::string& file, const std::string& record = {}) const;

 private:
  ErrorCode code_;
  std::string file_;
  std::string record_;
  std::optional<std::uint64_t> offset_;
  std::string message_;
};

}  // namespace torchferry
