#include "torch/storage.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/CPUAllocator.h>
#include <torchferry/error.h>

#include <atomic>
#include <string>
#include <utility>

#include "torch/translate_errors.h"
#include "torch/views.h"

namespace torchferry {

struct StorageMapping::Owner {
  std::atomic<std::size_t> uses;
  std::shared_ptr<const std::byte> bytes;
};

StorageMapping::StorageMapping(std::shared_ptr<const std::byte> bytes)
    : owner_(new Owner{1, std::move(bytes)}) {}

StorageMapping::~StorageMapping() { release(owner_); }

void StorageMapping::release(void* owner) {
  auto* const shared = static_cast<Owner*>(owner);
  if (shared->uses.fetch_sub(1, std::memory_order_acq_rel) == 1) delete shared;
}

const std::byte* StorageMapping::at(std::uint64_t offset) const noexcept {
  return owner_->bytes.get() + offset;
}

c10::Storage StorageMapping::view(std::uint64_t offset, std::uint64_t nbytes) const {
  if (nbytes == 0) return own_storage(0);
  owner_->uses.fetch_add(1, std::memory_order_relaxed);
  c10::DataPtr data(const_cast<std::byte*>(at(offset)), owner_, &release, c10::Device(c10::kCPU));
  return c10::Storage(c10::Storage::use_byte_size_t(), static_cast<std::size_t>(nbytes), std::move(data),
                      nullptr,
                      /*resizable=*/false);
}

c10::Storage own_storage(std::uint64_t nbytes) {
  try {
    auto* const allocator = c10::GetCPUAllocator();
    c10::DataPtr data = allocator->allocate(static_cast<std::size_t>(nbytes));
    return c10::Storage(c10::Storage::use_byte_size_t(), static_cast<std::size_t>(nbytes), std::move(data),
                        allocator,
                        /*resizable=*/true);
  } catch (const std::exception&) {
    throw Error(ErrorCode::out_of_memory,
                "host memory ran out: " + std::to_string(nbytes) + " bytes were needed");
  }
}

c10::Storage meta_storage(std::uint64_t nbytes) {
  return c10::Storage(c10::Storage::use_byte_size_t(), static_cast<std::size_t>(nbytes),
                      c10::DataPtr(nullptr, c10::Device(c10::kMeta)), c10::GetAllocator(c10::kMeta),
                      /*resizable=*/true);
}

namespace {

at::Tensor empty_bytes(std::int64_t nbytes, const c10::Device& device) {
  try {
    return translated(ErrorCode::device_unavailable, [&] {
      return at::empty({nbytes}, c10::TensorOptions().dtype(c10::kByte).device(device));
    });
  } catch (const Error& error) {
    throw Error(error.code(),
                device.str() + ": " + std::to_string(nbytes) + " bytes for a storage: " + error.message());
  }
}

}  // namespace

c10::Storage device_storage(std::uint64_t nbytes, const c10::Device& device) {
  return empty_bytes(static_cast<std::int64_t>(nbytes), device).storage();
}

c10::Storage copy_storage(const c10::Storage& storage, const c10::Device& device) {
  const auto nbytes = static_cast<std::int64_t>(storage.nbytes());
  at::Tensor target = empty_bytes(nbytes, device);
  if (nbytes != 0) target.copy_(view_on(storage, c10::kByte, {nbytes}, {1}, 0));
  return target.storage();
}

}  // namespace torchferry
