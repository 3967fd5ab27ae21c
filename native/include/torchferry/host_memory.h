#pragma once

#include <cstdint>

namespace torchferry {

/// The host memory that private copies of tensors lie in, when nobody uses it any more. Blocks that state
/// dicts have given back are kept for the next load, up to a bound, because the system's clearing of fresh
/// pages costs about as much as reading the bytes does. Kept blocks are offered to the system (MADV_FREE): it
/// takes their pages when it runs short of memory, before it takes anything else, though they count as
/// resident until then.
struct HostMemoryStatus {
  std::uint64_t limit;  ///< bytes of blocks that may be kept
  std::uint64_t kept;   ///< bytes of blocks that are kept now
};

/// Sets the bound: 2 GiB, or an eighth of the machine's memory where that is less, at first. 0: nothing is
/// kept, blocks go back to the system when their last tensor goes. What is kept beyond the bound is given
/// back at once. Any thread, any time.
void set_host_memory_limit(std::uint64_t bytes);

/// Any thread, any time.
HostMemoryStatus host_memory_status();

/// Gives the blocks that are kept back to the system; the next load takes fresh ones.
void release_host_memory();

}  // namespace torchferry
