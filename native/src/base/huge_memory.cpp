#include "base/huge_memory.h"

#include <sys/mman.h>

#include <limits>
#include <new>

namespace torchferry {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

std::shared_ptr<std::byte> huge_memory(std::uint64_t nbytes) {
  if (nbytes > std::numeric_limits<std::size_t>::max() / 2) throw std::bad_alloc();
  const std::size_t length = (static_cast<std::size_t>(nbytes) + kHugePage - 1) / kHugePage * kHugePage;
  void* const taken =
      ::mmap(nullptr, length + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (taken == MAP_FAILED) throw std::bad_alloc();
  auto* const first = static_cast<std::byte*>(taken);
  const std::size_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(taken) % kHugePage) % kHugePage;
  std::byte* const start = first + before;
  // The kernel gives address space anywhere; what lies before and behind the aligned part goes back.
  if (before != 0) ::munmap(first, before);
  if (before != kHugePage) ::munmap(start + length, kHugePage - before);
#ifdef MADV_HUGEPAGE
  ::madvise(start, length, MADV_HUGEPAGE);
#endif
  return {start, [length](std::byte* bytes) { ::munmap(bytes, length); }};
}

}  // namespace torchferry
