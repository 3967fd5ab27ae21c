#include "torch/block_read.h"

#include <algorithm>
#include <atomic>

#include "base/huge_memory.h"
#include "base/parallel.h"
#include "torch/read_storages.h"

namespace torchferry {
namespace {

/// What a thread reads in one go.
constexpr std::uint64_t kWindow = 2 * kHugePage;

}  // namespace

class BlockRead::Run {
 public:
  Run(const BlockRead& read, std::byte* block, const LoadOptions& options,
      const std::function<void(std::uint32_t)>& arrived)
      : read_(read), block_(block), options_(options), arrived_(arrived) {
    if (!arrived_) return;
    left_ = std::make_unique<std::atomic<std::uint64_t>[]>(read_.sizes_.size());
    for (std::size_t i = 0; i < read_.sizes_.size(); ++i) left_[i] = read_.sizes_[i];
  }

  void perform(std::size_t number) const {
    stop_if_cancelled(options_);
    const std::uint64_t begin = number * kWindow;
    const std::uint64_t end = std::min(begin + kWindow, read_.layout_.nbytes);
    for (const FileRun& run : runs_within(read_.layout_, begin, end)) {
      read_.checkpoint_.read_file(run.file, run.offset, {block_ + run.at, static_cast<std::size_t>(run.nbytes)});
    }
    account(begin, end);
  }

 private:
  void account(std::uint64_t begin, std::uint64_t end) const {
    if (!left_ && !options_.progress) return;
    const std::vector<std::uint64_t>& offsets = read_.layout_.offsets;
    auto i = static_cast<std::size_t>(std::upper_bound(offsets.begin(), offsets.end(), begin) - offsets.begin());
    if (i > 0) --i;
    std::uint64_t done = 0;
    for (; i < offsets.size() && offsets[i] < end; ++i) {
      const std::uint64_t first = std::max(begin, offsets[i]);
      const std::uint64_t last = std::min(end, offsets[i] + read_.sizes_[i]);
      if (first >= last) continue;
      done += last - first;
      // The last of a storage's windows sees what the others have written.
      if (left_ && left_[i].fetch_sub(last - first, std::memory_order_acq_rel) == last - first) {
        arrived_(read_.storages_[i]);
      }
    }
    if (options_.progress) options_.progress->done.fetch_add(done, std::memory_order_relaxed);
  }

  const BlockRead& read_;
  std::byte* const block_;
  const LoadOptions& options_;
  const std::function<void(std::uint32_t)>& arrived_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> left_;  // bytes of each storage; null when nobody hears of it
};

BlockRead::BlockRead(const Checkpoint& checkpoint, std::vector<std::uint32_t> storages)
    : checkpoint_(checkpoint), storages_(std::move(storages)) {
  const auto& rows = checkpoint_.table().storages();
  const auto before = [&rows](std::uint32_t a, std::uint32_t b) {
    return rows[a].file != rows[b].file ? rows[a].file < rows[b].file : rows[a].file_offset < rows[b].file_offset;
  };
  if (!std::is_sorted(storages_.begin(), storages_.end(), before)) {
    std::sort(storages_.begin(), storages_.end(), before);
  }
  std::vector<StoredRange> ranges;
  ranges.reserve(storages_.size());
  sizes_.reserve(storages_.size());
  for (const std::uint32_t storage : storages_) {
    const StorageRow& row = rows[storage];
    ranges.push_back({row.file, row.file_offset, row.nbytes});
    sizes_.push_back(row.nbytes);
  }
  layout_ = lay_out(ranges);
}

void BlockRead::run(std::byte* block, const LoadOptions& options,
                    const std::function<void(std::uint32_t)>& arrived) const {
  const Run run(*this, block, options, arrived);
  const auto windows = static_cast<std::size_t>((layout_.nbytes + kWindow - 1) / kWindow);
  work_in_parallel(windows, threads_or_default(options.threads), [&run](TaskNumbers& numbers) {
    while (const auto number = numbers.next()) run.perform(*number);
  });
}

}  // namespace torchferry
