#pragma once

#include <torchferry/load_options.h>
#include <torchferry/state_dict.h>

#include <cstdint>
#include <filesystem>
#include <memory>

namespace torchferry {

/// Which location each storage is saved with.
enum class LocationTags : std::uint8_t {
  device,  ///< the device that it is on, as torch.save does: "cuda:0"
  cpu,     ///< "cpu" for all, so that the file loads anywhere without map_location
};

/// How a state dict is saved.
struct SaveOptions {
  /// true: collections.OrderedDict with the modules' versions as `_metadata`, like model.state_dict(). false:
  /// a plain dict without versions, which libtorch's own torch::jit::pickle_load reads too.
  bool ordered_dict = true;
  /// Bytes; storages start at multiples of it in the file. A power of two from 16, which torch.load's mmap
  /// needs for complex128, to 65,536. 64 is torch.save's; 4096 lets every storage be read directly or mapped
  /// by itself.
  std::uint32_t alignment = 64;
  /// Records CRC-32 sums.
  bool crc32 = true;
  LocationTags tags = LocationTags::device;
  /// Parameters are saved as torch.nn.Parameter with their requires_grad, as
  /// torch.save(dict(model.named_parameters())) does. Otherwise, as in model.state_dict(), every tensor is
  /// saved as a plain one without requires_grad.
  bool keep_parameters = false;
  /// Saves only the stretches of storages that the dict's tensors reach, not whole storages as torch.save
  /// does. Tensors that overlap stay views of one storage; one that has its stretch for itself but not
  /// without gaps becomes contiguous.
  bool compact = false;
  /// Counts bytes of tensors written, and can cancel.
  std::shared_ptr<Progress> progress = nullptr;
};

/// Writes what torch.save(state_dict, path) writes: a zip that torch.load reads with its defaults,
/// weights_only=True and mmap=True. Tensors that share a storage share it in the file; one tensor under two
/// names stays one. Bytes are written as they are: every dtype, conj and neg bits, quantized, sparse and
/// nested tensors come back bit by bit. Tensors on devices pass through 16 MiB of host memory.
///
/// The file appears whole or not at all, and whatever was at `path` before stays until then, also when this
/// throws. Tensors that are views of `path` itself (loaded with mmap) may be among those saved.
///
/// Views of one storage with different dtypes, which torch.save refuses, are saved in the form that it has
/// for its newer dtypes (an untyped storage). Such files, and those with uint16, float8, complex32 or the
/// bits dtypes, sparse, nested or meta tensors, are for torch.load and Torchferry; libtorch's pickle_load
/// knows none of these.
///
/// Throws Error: invalid_argument (options, a key that is not UTF-8) and unsupported (a tensor that
/// torch.save has no form for, named) before anything is written; io, out_of_memory, cancelled and what a
/// device's copy fails with.
void save(const StateDict& state_dict, const std::filesystem::path& path, const SaveOptions& options = {});

}  // namespace torchferry
