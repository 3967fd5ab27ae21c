#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Storage.h>
#include <torchferry/load_options.h>

#include <cstddef>
#include <cstdint>

#include "io/byte_sink.h"

namespace torchferry {

/// Writes bytes of storages and elements of tensors to sinks, in pieces: whatever their size and device, at
/// most 16 MiB of them are on the host at a time beside the tensors themselves. For one thread.
class StorageStream {
 public:
  /// `progress` counts the bytes and can cancel; null: nobody watches.
  explicit StorageStream(Progress* progress) : progress_(progress) {}

  /// `nbytes` bytes of a storage on any device, from `begin` on. Throws Error(cancelled) and what the copy or
  /// the sink fails with.
  void stretch(ByteSink& sink, const c10::Storage& storage, std::uint64_t begin, std::uint64_t nbytes);

  /// The elements of a strided tensor in row-major order, conj and neg resolved.
  void elements(ByteSink& sink, const at::Tensor& tensor);

  /// Throws Error(cancelled) when the watcher asked for it.
  void look_for_cancel() const;

 private:
  void pieces(ByteSink& sink, const at::Tensor& tensor);
  const std::byte* staged(const c10::Storage& storage, std::uint64_t begin, std::uint64_t size,
                          std::uint64_t wanted);

  Progress* const progress_;
  at::Tensor staging_;
};

/// Whether a strided tensor's elements in row-major order are a stretch of its storage as it is.
bool is_stretch(const at::Tensor& strided);

/// A tensor's elements as numbers of the same size that every libtorch kernel can copy. The tensor has no
/// lazy bits.
at::Tensor raw_view(const at::Tensor& strided);

}  // namespace torchferry
