#pragma once

#include <torchferry/checkpoint.h>
#include <torchferry/error.h>

#include <cstddef>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>

// Reading everything of a file that may be hostile, with the promises of docs/security.md checked on the way: what the
// fuzzing targets and the tests that damage files have in common.

namespace torchferry::fuzz {

/// A promise was broken: the reader has a bug, whatever the file says.
class BrokenPromise : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

inline constexpr const char* kFile = "test.pt";

/// Throws BrokenPromise unless a file can be to blame for the error, and the error names it.
void require_fitting(const Error& error, const std::string& file);

/// Opens a zip archive and reads every record. False when that ends in an Error.
bool reads_zip(std::span<const std::byte> bytes);

/// Opens a checkpoint and reads everything. False when opening it ends in an Error.
bool reads_checkpoint(std::span<const std::byte> bytes, const OpenOptions& options = {});

/// All that can be read from an opened checkpoint, as text: checkpoints that hold the same have the same text. Of large
/// tensors it reads the first and the last few KiB.
std::string everything(const Checkpoint& checkpoint);

/// Reads everything of a checkpoint of several files: entries, content, every tensor that is not large, and every byte
/// once more as `verify` does.
void folder_contents(const Checkpoint& checkpoint);

/// The text of `everything`, or of the Error that `open` ended in without the file's name.
std::string outcome(const std::function<Checkpoint()>& open);

}  // namespace torchferry::fuzz
