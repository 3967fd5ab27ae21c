// Pages of mapped tensors that are brought in while loading.

#include "torch/prefetch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <torchferry/error.h>
#include <torchferry/page_cache.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>

#include "io/error_of.h"
#include "io/temp_file.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

constexpr std::int64_t kElements = (std::int64_t{9} << 20) / 4 + 3;  // more than a chunk

std::string one_big_tensor() {
  std::string bytes(static_cast<std::size_t>(kElements) * 4, '\1');
  return archive(dict({{str("w"), tensor({.numel = kElements, .size = {kElements}})}}), {{"0", bytes}});
}

bool kernel_populates() {
  void* const page = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const bool does = ::madvise(page, 4096, MADV_POPULATE_READ) == 0;
  ::munmap(page, 4096);
  return does;
}

/// How many of the pages that the tensor lies in are mapped, of how many.
std::pair<std::size_t, std::size_t> mapped_pages(const at::Tensor& tensor) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) / page;
  const auto end = (reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr()) + tensor.nbytes() + page - 1) / page;
  std::vector<std::uint64_t> entries(end - begin);
  const int map = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  const auto got = ::pread(map, entries.data(), entries.size() * 8, static_cast<off_t>(begin * 8));
  ::close(map);
  if (got != static_cast<ssize_t>(entries.size() * 8)) throw std::runtime_error("no /proc/self/pagemap");
  std::size_t present = 0;
  for (const std::uint64_t entry : entries) present += entry >> 63;
  return {present, entries.size()};
}

std::byte last_byte(const at::Tensor& tensor) {
  return static_cast<const std::byte*>(tensor.const_data_ptr())[tensor.nbytes() - 1];
}

LoadOptions with(Prefetch prefetch) {
  LoadOptions options = load_to(Device::cpu());
  options.prefetch = prefetch;
  options.progress = std::make_shared<Progress>();
  return options;
}

TEST(PrefetchTest, PopulatedPagesAreThereWhenTheLoadReturns) {
  if (!kernel_populates()) GTEST_SKIP() << "this kernel does not know MADV_POPULATE_READ (Linux 5.14)";
  const TempDirectory directory;
  const Checkpoint checkpoint = Checkpoint::open(write_file(directory / "a.pt", one_big_tensor()));
  const StateDict untouched = StateDict::load(checkpoint, with(Prefetch::none));
  EXPECT_LT(mapped_pages(tensor_at(untouched, "w")).first, 100U);
  const LoadOptions options = with(Prefetch::populate);
  const StateDict loaded = StateDict::load(checkpoint, options);
  const auto [present, all] = mapped_pages(tensor_at(loaded, "w"));
  EXPECT_EQ(present, all);
  EXPECT_EQ(loaded.report().bytes_mapped, static_cast<std::uint64_t>(kElements) * 4);
  EXPECT_EQ(options.progress->done, options.progress->total);
  EXPECT_GE(options.progress->total, loaded.report().bytes_mapped);
}

TEST(PrefetchTest, ReadAheadOnlyAsks) {
  const TempDirectory directory;
  const Checkpoint checkpoint = Checkpoint::open(write_file(directory / "a.pt", one_big_tensor()));
  const LoadOptions options = with(Prefetch::read_ahead);
  const StateDict loaded = StateDict::load(checkpoint, options);
  EXPECT_EQ(options.progress->total, 0U);
  EXPECT_EQ(last_byte(tensor_at(loaded, "w")), std::byte{1});
}

TEST(PrefetchTest, AFileThatBecameShorterIsATypedError) {
  if (!kernel_populates()) GTEST_SKIP() << "this kernel does not know MADV_POPULATE_READ (Linux 5.14)";
  const TempDirectory directory;
  const auto path = write_file(directory / "a.bin", std::string(1 << 20, 'x'));
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  void* const start = ::mmap(nullptr, 1 << 20, PROT_READ, MAP_PRIVATE, file, 0);
  ::close(file);
  std::filesystem::resize_file(path, 4096);
  const MappedRange range{static_cast<const std::byte*>(start), 1 << 20};
  expect_error(ErrorCode::io, "a.bin", [&] { prefetch({&range, 1}, with(Prefetch::populate), path.native()); });
  ::munmap(start, 1 << 20);
}

TEST(PrefetchTest, IsCancelled) {
  const TempDirectory directory;
  const Checkpoint checkpoint = Checkpoint::open(write_file(directory / "a.pt", one_big_tensor()));
  const LoadOptions options = with(Prefetch::populate);
  options.progress->cancel = true;
  expect_error(ErrorCode::cancelled, "cancelled", [&] { StateDict::load(checkpoint, options); });
}

TEST(PrefetchTest, PagesThatRangesShareCountOnce) {
  alignas(4096) static std::byte memory[4096 * 3];
  const MappedRange ranges[] = {{memory + 10, 20}, {memory + 4000, 200}, {memory + 8192, 1}, {memory, 0}};
  EXPECT_EQ(bytes_to_prefetch(ranges, with(Prefetch::populate)), 4096U * 3);
  EXPECT_EQ(bytes_to_prefetch(ranges, with(Prefetch::read_ahead)), 0U);
}

TEST(PageCache, WhatIsEvictedIsReadAgain) {
  const TempDirectory directory;
  const auto path = write_file(directory / "a.pt", one_big_tensor());
  evict_from_page_cache(path);
  const StateDict loaded = StateDict::load(Checkpoint::open(path));
  EXPECT_EQ(last_byte(tensor_at(loaded, "w")), std::byte{1});
  expect_error(ErrorCode::io, "missing.pt", [&] { evict_from_page_cache(directory / "missing.pt"); });
}

}  // namespace
}  // namespace torchferry::testing
