#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace torchferry {

/// Memory of the process's own for bytes that are about to be read in: zeroed by the system, in huge pages where it
/// grants them, given back when the last copy of the pointer goes. Starts at a multiple of 2 MiB. Throws
/// std::bad_alloc.
std::shared_ptr<std::byte> huge_memory(std::uint64_t nbytes);

}  // namespace torchferry
