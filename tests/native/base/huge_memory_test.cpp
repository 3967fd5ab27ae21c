#include "base/huge_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <new>
#include <vector>

namespace torchferry {
namespace {

TEST(HugeMemory, IsAlignedZeroedAndAllThere) {
  for (const std::uint64_t nbytes : {std::uint64_t{1}, std::uint64_t{4096}, (std::uint64_t{2} << 20) + 1}) {
    const auto bytes = huge_memory(nbytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.get()) % (2 << 20), 0U);
    EXPECT_TRUE(std::all_of(bytes.get(), bytes.get() + nbytes, [](std::byte byte) { return byte == std::byte{0}; }));
    std::fill_n(bytes.get(), nbytes, std::byte{1});
  }
}

TEST(HugeMemory, GoesWithTheLastPointer) {
  std::shared_ptr<std::byte> bytes = huge_memory(std::uint64_t{4} << 20);
  std::byte* const start = bytes.get();
  start[0] = std::byte{7};
  std::shared_ptr<std::byte> other = std::move(bytes);
  EXPECT_EQ(start[0], std::byte{7});
  // msync tells whether pages are mapped, without touching them.
  EXPECT_EQ(::msync(start, 4096, MS_ASYNC), 0);
  other.reset();
  EXPECT_EQ(::msync(start, 4096, MS_ASYNC), -1);
  EXPECT_EQ(errno, ENOMEM);
}

TEST(HugeMemory, RefusesWhatNoMachineHas) {
  EXPECT_THROW(huge_memory(std::numeric_limits<std::uint64_t>::max()), std::bad_alloc);
  EXPECT_THROW(huge_memory(std::uint64_t{1} << 62), std::bad_alloc);
}

}  // namespace
}  // namespace torchferry
