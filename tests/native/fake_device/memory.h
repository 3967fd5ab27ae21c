#pragma once

#include <c10/core/Allocator.h>

#include <cstddef>
#include <memory>

namespace torchferry::fake {

/// One device allocation. Its address is a reserved range nobody may touch; the bytes lie elsewhere, in
/// `contents`, which only copies and kernels of the fake reach. Lives until freed and until no queued copy
/// needs it.
class Block {
 public:
  Block(int index, size_t bytes);
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  void* address() const { return address_; }
  std::byte* contents() const { return contents_.get(); }
  size_t bytes() const { return bytes_; }
  int index() const { return index_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };

  int index_;
  size_t bytes_;
  size_t reserved_;
  std::unique_ptr<std::byte, Free> contents_;
  void* address_;
};

/// The live block that holds the address, or null.
std::shared_ptr<Block> find_block(const void* address);

/// The bytes behind [address, address + bytes) of device memory, checked to lie within one live block.
/// Throws c10::Error otherwise. The result keeps the block alive.
std::shared_ptr<std::byte> contents_at(const void* address, size_t bytes);

/// New memory on an index; c10::OutOfMemoryError when it does not fit, c10::Error for an index that is not
/// there.
c10::DataPtr allocate_on(int index, size_t bytes);

/// The allocator registered with libtorch: allocates on the calling thread's current device. Lives for ever.
c10::Allocator* device_allocator();

/// Counted page-locked host memory (as far as a fake can lock pages). Lives for ever.
c10::Allocator* pinned_allocator();

/// The pinned memory that holds the address, or null. The result keeps the memory even when it is freed.
std::shared_ptr<std::byte> find_pinned(const void* address);

}  // namespace torchferry::fake
