#include "base/huge_memory.h"

#include <sys/mman.h>
#include <torchferry/host_memory.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <new>
#include <optional>
#include <vector>

namespace torchferry {
namespace {

constexpr std::uint64_t kMostKeptAtFirst = std::uint64_t{2} << 30;

/// Address space in whole huge pages.
struct Block {
  std::byte* start;
  std::size_t length;
};

void unmap(const Block& block) noexcept { ::munmap(block.start, block.length); }

Block fresh_block(std::size_t length) {
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
  return {start, length};
}

/// Blocks that no load uses, the oldest first.
class KeptBlocks {
 public:
  static KeptBlocks& get() {
    // Never destroyed: tensors may outlive everything else of the process.
    static KeptBlocks* const blocks = new KeptBlocks;
    return *blocks;
  }

  /// A kept block that is not much larger than needed, or a fresh one.
  Block take(std::size_t length) {
    {
      const std::lock_guard lock(mutex_);
      const std::size_t most = length + std::max<std::size_t>(length / 4, kHugePage);
      auto best = blocks_.end();
      for (auto block = blocks_.begin(); block != blocks_.end(); ++block) {
        if (block->length < length || block->length > most) continue;
        if (best == blocks_.end() || block->length < best->length) best = block;
      }
      if (best != blocks_.end()) {
        const Block block = *best;
        blocks_.erase(best);
        kept_ -= block.length;
        return block;
      }
    }
    return fresh_block(length);
  }

  void give_back(const Block& block) noexcept {
    const std::optional<std::uint64_t> limit = keep(block);
    if (limit) {
      trim(*limit);
    } else {
      unmap(block);
    }
  }

  void set_limit(std::uint64_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      limit_ = bytes;
    }
    trim(bytes);
  }

  /// Gives the oldest blocks to the system until no more than `bytes` are kept.
  void trim(std::uint64_t bytes) noexcept {
    for (;;) {
      Block oldest;
      {
        const std::lock_guard lock(mutex_);
        if (kept_ <= bytes) return;
        oldest = blocks_.front();
        blocks_.erase(blocks_.begin());
        kept_ -= oldest.length;
      }
      unmap(oldest);
    }
  }

  HostMemoryStatus status() const {
    const std::lock_guard lock(mutex_);
    return {limit_, kept_};
  }

 private:
  /// The bound; none when the block is not kept.
  std::optional<std::uint64_t> keep(const Block& block) noexcept {
#ifdef MADV_FREE
    ::madvise(block.start, block.length, MADV_FREE);
#endif
    const std::lock_guard lock(mutex_);
    if (block.length > limit_) return std::nullopt;
    try {
      blocks_.push_back(block);
    } catch (const std::bad_alloc&) {
      return std::nullopt;
    }
    kept_ += block.length;
    return limit_;
  }

  static std::uint64_t limit_at_first() {
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    const long size = ::sysconf(_SC_PAGESIZE);
    if (pages <= 0 || size <= 0) return 0;
    return std::min(kMostKeptAtFirst, static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(size) / 8);
  }

  mutable std::mutex mutex_;
  std::vector<Block> blocks_;
  std::uint64_t kept_ = 0;
  std::uint64_t limit_ = limit_at_first();
};

}  // namespace

std::shared_ptr<std::byte> huge_memory(std::uint64_t nbytes) {
  if (nbytes > std::numeric_limits<std::size_t>::max() / 2) throw std::bad_alloc();
  const std::size_t length = std::max<std::size_t>((nbytes + kHugePage - 1) / kHugePage, 1) * kHugePage;
  const Block block = KeptBlocks::get().take(length);
  return {block.start, [block](std::byte*) { KeptBlocks::get().give_back(block); }};
}

void set_host_memory_limit(std::uint64_t bytes) { KeptBlocks::get().set_limit(bytes); }
HostMemoryStatus host_memory_status() { return KeptBlocks::get().status(); }
void release_host_memory() { KeptBlocks::get().trim(0); }

}  // namespace torchferry
