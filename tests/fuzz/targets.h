#pragma once

#include <cstddef>
#include <span>
#include <string_view>

// What is fuzzed: one function for each parser, and one that compares the sources. Each takes any bytes. What a target
// puts around them (a magic number, checksums, an archive) is what chance would hardly find.

namespace torchferry::fuzz {

using Bytes = std::span<const std::byte>;

void zip(Bytes input);          ///< a zip archive: its directory, and every record
void inflate(Bytes input);      ///< u16: bytes to get; then a deflate stream
void pickle(Bytes input);       ///< a pickle
void json(Bytes input);         ///< JSON
void safetensors(Bytes input);  ///< u16: bytes of tensors; then the header without its length
void legacy(Bytes input);       ///< a legacy file without its magic number
void tar(Bytes input);          ///< a tar archive; the checksums of its headers are made true
void content(Bytes input);      ///< a byte of flags; then the data.pkl of an archive that has the storages it names
void script(Bytes input);       ///< u16: bytes of TorchScript source; the source; data.pkl
void shards(Bytes input);       ///< a JSON index of shards, which are there
void metadata(Bytes input);     ///< the .metadata of torch.distributed.checkpoint, whose other files are there
void checkpoint(Bytes input);   ///< any file
void sources(Bytes input);      ///< any file, by positioned reads, mapped, and in memory: all must give the same

struct Target {
  std::string_view name;
  void (*run)(Bytes input);
};

std::span<const Target> targets();

}  // namespace torchferry::fuzz
