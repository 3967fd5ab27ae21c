#include "torch/storage_stream.h"

#include <ATen/ops/empty.h>
#include <torchferry/error.h>

#include <algorithm>

#include "torch/translate_errors.h"
#include "torch/views.h"

namespace torchferry {
namespace {

/// Bytes that are on the host at a time, on their way from a device or into row-major order.
constexpr std::uint64_t kStagingBytes = std::uint64_t{16} << 20;
/// Bytes of a CPU storage between two looks at the progress.
constexpr std::uint64_t kStepBytes = std::uint64_t{8} << 20;

std::uint64_t bytes_of(const at::Tensor& tensor) {
  return static_cast<std::uint64_t>(tensor.numel()) * tensor.element_size();
}

c10::ScalarType raw_type(std::size_t itemsize) {
  switch (itemsize) {
    case 2: return c10::kShort;
    case 4: return c10::kInt;
    case 8: return c10::kLong;
    case 16: return c10::kComplexDouble;
    default: return c10::kByte;
  }
}

}  // namespace

bool is_stretch(const at::Tensor& strided) {
  return strided.is_contiguous() && !strided.is_conj() && !strided.is_neg();
}

at::Tensor raw_view(const at::Tensor& strided) {
  return view_on(strided.storage(), raw_type(strided.element_size()), strided.sizes(), strided.strides(),
                 strided.storage_offset());
}

void StorageStream::look_for_cancel() const {
  if (progress_ && progress_->cancel.load(std::memory_order_relaxed)) {
    throw Error(ErrorCode::cancelled, "saving was cancelled; nothing was changed");
  }
}

void StorageStream::stretch(ByteSink& sink, const c10::Storage& storage, std::uint64_t begin,
                            std::uint64_t nbytes) {
  const bool on_host = storage.device().is_cpu();
  const std::uint64_t step = on_host ? kStepBytes : kStagingBytes;
  look_for_cancel();
  for (std::uint64_t done = 0; done < nbytes;) {
    const std::uint64_t size = std::min(step, nbytes - done);
    const auto* const bytes = on_host ? static_cast<const std::byte*>(storage.data()) + begin + done
                                      : staged(storage, begin + done, size, nbytes);
    sink.write({bytes, static_cast<std::size_t>(size)});
    done += size;
    if (progress_) progress_->done.fetch_add(size, std::memory_order_relaxed);
    look_for_cancel();
  }
}

void StorageStream::elements(ByteSink& sink, const at::Tensor& tensor) {
  look_for_cancel();
  if (tensor.numel() == 0) return;
  const bool lazy = tensor.is_conj() || tensor.is_neg();
  pieces(sink, lazy || !tensor.has_storage() ? tensor : raw_view(tensor));
}

void StorageStream::pieces(ByteSink& sink, const at::Tensor& tensor) {
  const std::uint64_t bytes = bytes_of(tensor);
  if (tensor.has_storage() && is_stretch(tensor)) {
    const auto begin = static_cast<std::uint64_t>(tensor.storage_offset()) * tensor.element_size();
    return stretch(sink, tensor.storage(), begin, bytes);
  }
  if (bytes <= kStagingBytes || tensor.dim() == 0) {
    const at::Tensor whole = tensor.has_storage() ? tensor : tensor.cpu();
    return pieces(sink, whole.resolve_conj().resolve_neg().contiguous());
  }
  const std::int64_t rows = tensor.size(0);
  const auto together = static_cast<std::int64_t>(kStagingBytes / (bytes / static_cast<std::uint64_t>(rows)));
  for (std::int64_t row = 0; row < rows;) {
    const std::int64_t count = std::min(std::max<std::int64_t>(together, 1), rows - row);
    pieces(sink, together == 0 ? tensor.select(0, row) : tensor.narrow(0, row, count));
    row += count;
  }
}

/// Brings `size` of the `wanted` bytes of a device's storage to the host; they stay until the next call.
const std::byte* StorageStream::staged(const c10::Storage& storage, std::uint64_t begin, std::uint64_t size,
                                       std::uint64_t wanted) {
  if (!staging_.defined() || static_cast<std::uint64_t>(staging_.numel()) < size) {
    staging_ = at::empty({static_cast<std::int64_t>(std::min(kStagingBytes, wanted))}, c10::kByte);
  }
  const auto count = static_cast<std::int64_t>(size);
  translated(ErrorCode::io, [&] {
    view_on(staging_.storage(), c10::kByte, {count}, {1}, 0)
        .copy_(view_on(storage, c10::kByte, {count}, {1}, static_cast<std::int64_t>(begin)));
  });
  return static_cast<const std::byte*>(staging_.storage().data());
}

}  // namespace torchferry
