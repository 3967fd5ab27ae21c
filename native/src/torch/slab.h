#pragma once

#include <c10/core/Device.h>
#include <c10/core/Storage.h>

#include <cstdint>

namespace torchferry {

/// One allocation on a device, handed out in parts. The parts own it together: its memory goes when the last of them
/// goes.
class StorageSlab {
 public:
  /// Throws Error(out_of_memory) and what the device's allocation fails with.
  StorageSlab(std::uint64_t nbytes, const c10::Device& device);

  const c10::Storage& whole() const noexcept { return whole_; }

  /// A storage over [offset, offset + nbytes), which the caller knows to lie inside. It cannot be resized: nothing may
  /// ever grow into its neighbours.
  c10::Storage view(std::uint64_t offset, std::uint64_t nbytes) const;

 private:
  c10::Storage whole_;
};

}  // namespace torchferry
