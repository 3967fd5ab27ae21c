#pragma once

#include <c10/core/Storage.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace torchferry {

/// Hands out storages that view one mapped file, or one block of memory. The storages own the mapping together: it goes
/// when the last of them goes, whatever became of the checkpoint and of this object. One count for all storages, so that a
/// storage costs no allocation beyond its own StorageImpl.
class StorageMapping {
 public:
  /// `bytes` are only read unless the views are given away, which may be written to.
  explicit StorageMapping(std::shared_ptr<const std::byte> bytes);
  ~StorageMapping();
  StorageMapping(const StorageMapping&) = delete;
  StorageMapping& operator=(const StorageMapping&) = delete;

  const std::byte* at(std::uint64_t offset) const noexcept;

  /// A CPU storage over [offset, offset + nbytes), which the caller knows to lie inside the mapping. It
  /// cannot be resized: nothing may ever grow into the bytes behind it.
  c10::Storage view(std::uint64_t offset, std::uint64_t nbytes) const;

 private:
  struct Owner;
  static void release(void* owner);
  Owner* owner_;
};

/// A CPU storage of its own memory, not initialised, aligned for every dtype. Throws Error(out_of_memory).
c10::Storage own_storage(std::uint64_t nbytes);

/// A storage on the meta device: a size without bytes.
c10::Storage meta_storage(std::uint64_t nbytes);

/// A storage in memory of `device`, not initialised. Throws Error(out_of_memory) and what the device's allocation fails
/// with.
c10::Storage device_storage(std::uint64_t nbytes, const c10::Device& device);

/// A copy of all bytes of `storage` on `device`: one allocation and one copy. Throws Error(out_of_memory) and
/// what the device's copy fails with; nothing stays allocated then.
c10::Storage copy_storage(const c10::Storage& storage, const c10::Device& device);

}  // namespace torchferry
