#include "torch/prefetch.h"

#include <sys/mman.h>
#include <torchferry/error.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

#include "base/parallel.h"
#include "torch/read_storages.h"

// Of Linux 5.14; older headers lack the name, and older kernels answer EINVAL.
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

namespace torchferry {
namespace {

constexpr std::uintptr_t kChunk = std::uintptr_t{8} << 20;

/// Whole pages.
struct Pages {
  std::uintptr_t begin;
  std::uintptr_t end;
};

std::uintptr_t page_size() {
  static const auto size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

/// The pages of all ranges, in order, each once; neighbours together.
std::vector<Pages> pages_of(std::span<const MappedRange> ranges) {
  std::vector<Pages> all;
  for (const MappedRange& range : ranges) {
    if (range.nbytes == 0) continue;
    const auto start = reinterpret_cast<std::uintptr_t>(range.start);
    const std::uintptr_t page = page_size();
    all.push_back({start / page * page, (start + range.nbytes + page - 1) / page * page});
  }
  std::sort(all.begin(), all.end(), [](const Pages& a, const Pages& b) { return a.begin < b.begin; });
  std::vector<Pages> merged;
  for (const Pages& pages : all) {
    if (!merged.empty() && pages.begin <= merged.back().end) {
      merged.back().end = std::max(merged.back().end, pages.end);
    } else {
      merged.push_back(pages);
    }
  }
  return merged;
}

std::vector<Pages> chunks_of(const std::vector<Pages>& all) {
  std::vector<Pages> chunks;
  for (const Pages& pages : all) {
    for (std::uintptr_t begin = pages.begin; begin < pages.end; begin += kChunk) {
      chunks.push_back({begin, std::min(begin + kChunk, pages.end)});
    }
  }
  return chunks;
}

int advise(const Pages& pages, int advice) {
  void* const start = reinterpret_cast<void*>(pages.begin);  // NOLINT(performance-no-int-to-ptr)
  return ::madvise(start, pages.end - pages.begin, advice) == 0 ? 0 : errno;
}

void populate(const Pages& pages, const std::string& file) {
  int error = EINTR;
  while (error == EINTR || error == EAGAIN) error = advise(pages, MADV_POPULATE_READ);
  // An older kernel: it can at least read ahead.
  if (error == EINVAL) error = advise(pages, MADV_WILLNEED);
  if (error == 0) return;
  throw Error(ErrorCode::io, file, {}, std::nullopt,
              "its mapped pages cannot be read (" + std::generic_category().message(error) +
                  "); perhaps the file has become shorter: open it again when its writer has finished");
}

}  // namespace

std::uint64_t bytes_to_prefetch(std::span<const MappedRange> ranges, const LoadOptions& options) {
  if (options.prefetch != Prefetch::populate) return 0;
  std::uint64_t bytes = 0;
  for (const Pages& pages : pages_of(ranges)) bytes += pages.end - pages.begin;
  return bytes;
}

void prefetch(std::span<const MappedRange> ranges, const LoadOptions& options, const std::string& file) {
  if (options.prefetch == Prefetch::none || ranges.empty()) return;
  const std::vector<Pages> pages = pages_of(ranges);
  if (options.prefetch == Prefetch::read_ahead) {
    // Advice only: where it cannot be taken, the pages come when they are used.
    for (const Pages& each : pages) advise(each, MADV_WILLNEED);
    return;
  }
  const std::vector<Pages> chunks = chunks_of(pages);
  for_each_parallel(chunks.size(), options.threads, [&](std::size_t i) {
    stop_if_cancelled(options);
    populate(chunks[i], file);
    if (options.progress) {
      options.progress->done.fetch_add(chunks[i].end - chunks[i].begin, std::memory_order_relaxed);
    }
  });
}

}  // namespace torchferry
