#pragma once

#include <torchferry/content.h>
#include <torchferry/load_options.h>
#include <torchferry/state_dict.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace torchferry {

/// Which location each storage is saved with.
enum class LocationTags : std::uint8_t {
  device,  ///< the device that it is on, as torch.save does: "cuda:0"
  cpu,     ///< "cpu" for all, so that the file loads anywhere without map_location
};

/// How content is saved.
struct SaveOptions {
  /// Format::zip, which is torch.save's, or Format::safetensors; others are not written.
  Format format = Format::zip;
  /// State dicts of more bytes are spread over files of at most this many bytes of tensors each, and an index
  /// that says which tensor is where, as Hugging Face's libraries do. Tensors that share memory stay
  /// together, and one that is larger alone gets a file of its own.
  std::optional<std::uint64_t> max_shard_bytes = std::nullopt;
  /// Which locations storages get in a zip file. Tensors of a checkpoint that were not loaded onto a device
  /// (`Content::of`) keep theirs with `device`.
  LocationTags tags = LocationTags::device;
  /// Counts bytes of tensors written, and can cancel.
  std::shared_ptr<Progress> progress = nullptr;

  // Zip files only.

  /// For state dicts. true: collections.OrderedDict with the modules' versions as `_metadata`, like
  /// model.state_dict(). false: a plain dict without versions, which libtorch's own torch::jit::pickle_load
  /// reads too.
  bool ordered_dict = true;
  /// Bytes; storages start at multiples of it in the file. A power of two from 16, which torch.load's mmap
  /// needs for complex128, to 65,536. 64 is torch.save's; 4096 lets every storage be read directly or mapped
  /// by itself.
  std::uint32_t alignment = 64;
  /// Records CRC-32 sums.
  bool crc32 = true;
  /// For state dicts: parameters are saved as torch.nn.Parameter with their requires_grad, as
  /// torch.save(dict(model.named_parameters())) does. Otherwise, as in model.state_dict(), every tensor is
  /// saved as a plain one without requires_grad.
  bool keep_parameters = false;
  /// Saves only the stretches of storages that the tensors reach, not whole storages as torch.save does.
  /// Tensors that overlap stay views of one storage; one that has its stretch for itself but not without gaps
  /// becomes contiguous.
  bool compact = false;

  // safetensors files only.

  /// `__metadata__`; {"format": "pt"} is what Hugging Face's libraries look for.
  std::map<std::string, std::string> metadata = {{"format", "pt"}};
  /// The format has no sharing. false: names of one and the same view are written once, under the name that
  /// sorts first, and `__metadata__` says {"left out": "kept"}, as safetensors.torch.save_model does. true:
  /// every name is written. Views that differ are always written each for itself.
  bool repeat_shared = false;
};

/// What a save has written.
struct SaveReport {
  std::vector<std::filesystem::path> files;  ///< in order; the index of shards last
  std::uint64_t bytes = 0;                   ///< of these files together
  /// safetensors: names left out because another name of the same tensor was kept: (left out, kept).
  std::vector<std::pair<std::string, std::string>> repeated;
};

/// Writes a checkpoint. Of zip files: what torch.save(content, path) writes, which torch.load reads with its
/// defaults, weights_only=True and mmap=True. Tensors that share a storage share it in the file, across all
/// parts of the content; one tensor in two places stays one. Bytes are written as they are: every dtype, conj
/// and neg bits, quantized, sparse and nested tensors come back bit by bit. Tensors on devices pass through
/// 16 MiB of host memory.
///
/// Of safetensors files: what safetensors.torch.save_file writes, byte for byte, for a state dict or a flat
/// dict of names and tensors. Tensors that are not contiguous are written contiguous, conj and neg resolved.
///
/// The file appears whole or not at all, and whatever was at `path` before stays until then, also when this
/// throws. Shards appear together, their index last; only a crash between two renames can leave some of the
/// new ones. Tensors that are views of `path` itself (loaded with mmap) may be among those saved. Shards are
/// named after `path`: "model.safetensors" becomes "model-00001-of-00003.safetensors" and so on with
/// "model.safetensors.index.json".
///
/// Views of one storage with different dtypes, which torch.save refuses, are saved in the form that it has
/// for its newer dtypes (an untyped storage). Such files, and those with uint16, float8, complex32 or the
/// bits dtypes, sparse, nested or meta tensors, are for torch.load and Torchferry; libtorch's pickle_load
/// knows none of these.
///
/// Throws Error: invalid_argument (options, a key that is not UTF-8, content that Python cannot have) and
/// unsupported (what the format has no form for, with its place in the content) before anything is written;
/// io, out_of_memory, cancelled and what a device's copy fails with.
SaveReport save(const Content& content, const std::filesystem::path& path, const SaveOptions& options = {});
SaveReport save(const StateDict& state_dict, const std::filesystem::path& path,
                const SaveOptions& options = {});

}  // namespace torchferry
