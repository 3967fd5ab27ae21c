#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace torchferry {

/// Memory of the process's own for bytes that are about to be read in: a block that an earlier load has given
/// back, else a fresh one in huge pages where the system grants them. What it holds is of no meaning. It is
/// given back, or kept for the next load (torchferry/host_memory.h), when the last copy of the pointer goes.
/// Starts at a multiple of `kHugePage`. Throws std::bad_alloc.
std::shared_ptr<std::byte> huge_memory(std::uint64_t nbytes);

/// Threads that fill a block should not share one of these: the system clears it for each of them.
inline constexpr std::uint64_t kHugePage = std::uint64_t{2} << 20;

}  // namespace torchferry
