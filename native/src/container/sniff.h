#pragma once

#include "io/byte_source.h"

namespace torchferry {

/// What the first bytes of a file say it is (formats of PyTorch and its neighbours), before anything is
/// parsed.
enum class FileKind {
  zip,     ///< torch.save since 1.6, TorchScript, C++ archives, torch.export: the records tell
  legacy,  ///< torch.save 0.2 to 1.5: several pickles, then raw storages
  tar,     ///< torch.save up to 0.1
  pickle,  ///< some other pickle
  safetensors,
  flatbuffer,       ///< TorchScript for mobile
  preview_archive,  ///< "PYTORCH1"
  json,             ///< perhaps a shard index
  unknown,
};

/// Reads at most 512 bytes. Throws Error(io) only; an empty file is `unknown`.
FileKind sniff(const ByteSource& source);

/// Whether a save of torch.save's legacy format starts `at` this byte. Throws Error(io).
bool starts_legacy_save(const ByteSource& source, std::uint64_t at);

/// Whether an `unknown` file is of a kind that is known, and none of PyTorch's: a compressed file, a model of another
/// framework, a download page. `describe_start` names it. Throws Error(io).
bool is_of_others(const ByteSource& source);

/// For messages: the first bytes (at most 8) in hex and, where printable, as text, and what they usually mean
/// (gzip, HDF5, an HTML page, a Git LFS pointer, …).
std::string describe_start(const ByteSource& source);

}  // namespace torchferry
