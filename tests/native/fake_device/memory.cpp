#include "fake_device/memory.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/Exception.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <string>

#include "fake_device/ledger.h"
#include "fake_device/runtime.h"

namespace torchferry::fake {

namespace {

constexpr size_t alignment = 64;

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

std::byte* host_memory(size_t bytes) {
  void* memory = std::aligned_alloc(alignment, round_up(bytes, alignment));
  if (memory == nullptr) throw std::bad_alloc();
  return static_cast<std::byte*>(memory);
}

/// Ranges by their first address. Never destroyed, as tensors may be freed at process exit.
template <class Entry>
struct RangeTable {
  std::mutex mutex;
  std::map<const char*, Entry> entries;

  /// The entry with the greatest start that is not above the address; end() when there is none.
  /// Needs the lock.
  auto at_or_below(const void* address) {
    auto next = entries.upper_bound(static_cast<const char*>(address));
    return next == entries.begin() ? entries.end() : std::prev(next);
  }
};

RangeTable<std::shared_ptr<Block>>& blocks() {
  static auto* const table = new RangeTable<std::shared_ptr<Block>>;
  return *table;
}

struct PinnedRange {
  std::shared_ptr<std::byte> memory;
  size_t bytes;
};

RangeTable<PinnedRange>& pinned_ranges() {
  static auto* const table = new RangeTable<PinnedRange>;
  return *table;
}

std::string readable(size_t bytes) {
  const char* const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  char text[48];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.2f %s", value, units[unit]);
  return text;
}

void refuse_allocation(int index, size_t bytes) {
  const auto [free, total] = Ledger::get().memory_info(index);
  TORCH_CHECK_WITH(OutOfMemoryError, false, "FAKE out of memory. Tried to allocate ", readable(bytes),
                   ". Device ", device_at(index), " has a total capacity of ", readable(total), " of which ",
                   readable(free), " is free (", bytes, " bytes requested, ", free, " bytes free).");
}

void free_block(void* address) {
  std::shared_ptr<Block> freed;  // outlives the lock: unmapping needs none
  {
    auto& table = blocks();
    std::scoped_lock lock(table.mutex);
    auto entry = table.entries.find(static_cast<const char*>(address));
    if (entry == table.entries.end()) return;
    freed = std::move(entry->second);
    table.entries.erase(entry);
  }
  Ledger::get().refund(freed->index(), freed->bytes());
}

void free_pinned(void* address) {
  PinnedRange freed{};  // outlives the lock; a queued copy may keep the memory longer still
  {
    auto& table = pinned_ranges();
    std::scoped_lock lock(table.mutex);
    auto entry = table.entries.find(static_cast<const char*>(address));
    if (entry == table.entries.end()) return;
    freed = std::move(entry->second);
    table.entries.erase(entry);
  }
  Ledger::get().refund_pinned(freed.bytes);
}

class DeviceMemoryAllocator final : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(size_t bytes) override { return allocate_on(current_index(), bytes); }
  c10::DeleterFnPtr raw_deleter() const override { return &free_block; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    std::memmove(contents_at(to, bytes).get(), contents_at(from, bytes).get(), bytes);
  }

  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t /*pool*/) override {}
  void recordStream(const c10::DataPtr& /*memory*/, c10::Stream /*stream*/) override {}
  void resetAccumulatedStats(c10::DeviceIndex index) override {
    Ledger::get().reset_stats(checked_index(index));
  }
  void resetPeakStats(c10::DeviceIndex index) override { Ledger::get().reset_peak(checked_index(index)); }
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex index) override {
    return Ledger::get().memory_info(checked_index(index));
  }

  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex index) override {
    const tf_fake_device_stats stats = Ledger::get().stats(checked_index(index));
    c10::CachingDeviceAllocator::DeviceStats result;
    for (auto* bytes : {&result.allocated_bytes, &result.reserved_bytes, &result.active_bytes}) {
      bytes->front().current = stats.allocated_bytes;
      bytes->front().peak = stats.allocated_peak_bytes;
    }
    result.allocation.front().current = stats.live_allocations;
    result.allocation.front().allocated = stats.allocations;
    result.num_ooms = stats.out_of_memory;
    return result;
  }
};

class PinnedAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, c10::Device(c10::kCPU)};
    std::shared_ptr<std::byte> memory(host_memory(bytes), [](std::byte* start) { std::free(start); });
    std::byte* const start = memory.get();
    {
      auto& table = pinned_ranges();
      std::scoped_lock lock(table.mutex);
      table.entries.emplace(reinterpret_cast<const char*>(start), PinnedRange{std::move(memory), bytes});
    }
    Ledger::get().charge_pinned(bytes);
    return {start, start, &free_pinned, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &free_pinned; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

}  // namespace

void Block::Free::operator()(std::byte* memory) const { std::free(memory); }

Block::Block(int index, size_t bytes)
    : index_(index), bytes_(bytes), reserved_(0), contents_(host_memory(bytes)), address_(nullptr) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  reserved_ = round_up(bytes, page) + page;  // the last page keeps two blocks from touching
  address_ = mmap(nullptr, reserved_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address_ == MAP_FAILED) throw std::bad_alloc();
  if (bytes <= TF_FAKE_FILLED_ALLOCATION) std::memset(contents_.get(), TF_FAKE_UNWRITTEN, bytes);
}

Block::~Block() { munmap(address_, reserved_); }

std::shared_ptr<Block> find_block(const void* address) {
  auto& table = blocks();
  std::scoped_lock lock(table.mutex);
  auto entry = table.at_or_below(address);
  if (entry == table.entries.end() ||
      static_cast<const char*>(address) >= entry->first + entry->second->bytes())
    return nullptr;
  return entry->second;
}

std::shared_ptr<std::byte> contents_at(const void* address, size_t bytes) {
  std::shared_ptr<Block> block = find_block(address);
  TORCH_CHECK(block, "FAKE error: an illegal memory access was encountered: ", address,
              " is not device memory");
  const auto offset =
      static_cast<size_t>(static_cast<const char*>(address) - static_cast<const char*>(block->address()));
  TORCH_CHECK(bytes <= block->bytes() - offset,
              "FAKE error: an illegal memory access was encountered: ", bytes, " bytes from byte ", offset,
              " of an allocation of ", block->bytes(), " bytes on ", device_at(block->index()));
  std::byte* contents = block->contents() + offset;
  return {std::move(block), contents};
}

c10::DataPtr allocate_on(int index, size_t bytes) {
  const c10::Device device = device_at(checked_index(index));
  if (bytes == 0) return {nullptr, device};
  if (!Ledger::get().charge(index, bytes)) refuse_allocation(index, bytes);
  std::shared_ptr<Block> block;
  try {
    block = std::make_shared<Block>(index, bytes);
    auto& table = blocks();
    std::scoped_lock lock(table.mutex);
    table.entries.emplace(static_cast<const char*>(block->address()), block);
  } catch (const std::bad_alloc&) {
    Ledger::get().refund(index, bytes);
    TORCH_CHECK_WITH(OutOfMemoryError, false, "FAKE out of memory. The host has no ", readable(bytes),
                     " for device ", device);
  }
  return {block->address(), block->address(), &free_block, device};
}

c10::Allocator* device_allocator() {
  static auto* const allocator = new DeviceMemoryAllocator;
  return allocator;
}

c10::Allocator* pinned_allocator() {
  static auto* const allocator = new PinnedAllocator;
  return allocator;
}

std::shared_ptr<std::byte> find_pinned(const void* address) {
  auto& table = pinned_ranges();
  std::scoped_lock lock(table.mutex);
  auto entry = table.at_or_below(address);
  if (entry == table.entries.end() || static_cast<const char*>(address) >= entry->first + entry->second.bytes)
    return nullptr;
  return entry->second.memory;
}

}  // namespace torchferry::fake
