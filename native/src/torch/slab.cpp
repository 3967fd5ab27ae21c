#include "torch/slab.h"

#include <memory>
#include <utility>

#include "torch/storage.h"

namespace torchferry {
namespace {

void release(void* keep) { delete static_cast<c10::Storage*>(keep); }

}  // namespace

StorageSlab::StorageSlab(std::uint64_t nbytes, const c10::Device& device) : whole_(device_storage(nbytes, device)) {}

c10::Storage StorageSlab::view(std::uint64_t offset, std::uint64_t nbytes) const {
  if (nbytes == 0) return device_storage(0, whole_.device());
  auto keep = std::make_unique<c10::Storage>(whole_);
  auto* const start = static_cast<std::byte*>(whole_.mutable_data()) + offset;
  c10::DataPtr data(start, keep.release(), &release, whole_.device());
  return c10::Storage(c10::Storage::use_byte_size_t(), static_cast<std::size_t>(nbytes), std::move(data), nullptr,
                      /*resizable=*/false);
}

}  // namespace torchferry
