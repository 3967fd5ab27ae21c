#include "torch/read_storages.h"

#include <torchferry/error.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "container/crc32.h"

namespace torchferry {
namespace {

constexpr std::uint64_t kChunk = std::uint64_t{8} << 20;
/// Below this a thread costs more than it brings.
constexpr std::uint64_t kBytesPerThread = std::uint64_t{1} << 20;

/// What one thread does in one go. Chunks of one storage are tasks of their own unless its sum has to be
/// checked, which needs its bytes in order.
struct Task {
  std::size_t number;  ///< of the storage among the reads
  std::uint64_t offset;
  std::uint64_t length;
};

class Reader {
 public:
  using Arrived = std::function<void(std::uint32_t)>;

  Reader(const Checkpoint& checkpoint, std::span<const StorageRead> reads, const LoadOptions& options,
         const Arrived& arrived)
      : checkpoint_(checkpoint), reads_(reads), options_(options), arrived_(arrived) {}

  void plan() {
    if (arrived_) left_ = std::make_unique<std::atomic<std::uint64_t>[]>(reads_.size());
    for (std::size_t number = 0; number < reads_.size(); ++number) {
      const StorageRow& row = row_of(reads_[number]);
      const bool splits = row.readable_in_parts() && !options_.verify_checksums;
      const std::uint64_t step = splits ? kChunk : std::max<std::uint64_t>(row.nbytes, 1);
      for (std::uint64_t offset = 0; offset < row.nbytes; offset += step) {
        tasks_.push_back({number, offset, std::min(step, row.nbytes - offset)});
      }
      if (left_) left_[number] = row.nbytes;
      bytes_ += row.nbytes;
    }
  }

  void run() {
    if (left_) tell_of_empty_ones();
    const std::size_t threads = std::min<std::size_t>(threads_or_default(options_.threads), bytes_ / kBytesPerThread);
    work_in_parallel(tasks_.size(), threads, [this](TaskNumbers& numbers) {
      while (const auto number = numbers.next()) perform(tasks_[*number]);
    });
  }

 private:
  const StorageRow& row_of(const StorageRead& read) const {
    return checkpoint_.table().storages()[read.storage];
  }

  void tell_of_empty_ones() const {
    for (std::size_t number = 0; number < reads_.size(); ++number) {
      if (left_[number] == 0) arrived_(reads_[number].storage);
    }
  }

  void perform(const Task& task) {
    stop_if_cancelled(options_);
    const StorageRow& row = row_of(reads_[task.number]);
    // The sums of a tensor that is put together are those of its pieces, which the checkpoint knows.
    if (row.readable_in_parts() && !(row.assembled() && options_.verify_checksums)) {
      read_in_chunks(task, row);
    } else {
      read_whole(task, row);
    }
    // The last of a storage's tasks sees what the others have written.
    if (left_ && left_[task.number].fetch_sub(task.length, std::memory_order_acq_rel) == task.length) {
      arrived_(reads_[task.number].storage);
    }
  }

  /// Stored as it is needed: chunk by chunk, so that a cancellation need not wait for the end.
  void read_in_chunks(const Task& task, const StorageRow& row) {
    const bool check = options_.verify_checksums && row.crc32 != 0;
    std::uint32_t sum = 0;
    for (std::uint64_t done = 0; done < task.length; done += kChunk) {
      stop_if_cancelled(options_);
      const std::span out(reads_[task.number].to + task.offset + done,
                          static_cast<std::size_t>(std::min(kChunk, task.length - done)));
      checkpoint_.read_storage_range(row, task.offset + done, out);
      if (check) sum = crc32(sum, out);
      advance(out.size());
    }
    if (check && sum != row.crc32) {
      throw Error(ErrorCode::corrupt, checkpoint_.file_name(row.file), checkpoint_.record_name(row), 0,
                  "the bytes do not match their recorded CRC-32: the file was damaged after it was written");
    }
  }

  void read_whole(const Task& task, const StorageRow& row) {
    checkpoint_.read_storage(row, {reads_[task.number].to, static_cast<std::size_t>(row.nbytes)},
                             options_.verify_checksums);
    advance(row.nbytes);
  }

  void advance(std::uint64_t bytes) {
    if (options_.progress) options_.progress->done.fetch_add(bytes, std::memory_order_relaxed);
  }

  const Checkpoint& checkpoint_;
  const std::span<const StorageRead> reads_;
  const LoadOptions& options_;
  const Arrived& arrived_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> left_;  // bytes of each storage; null when nobody hears of it
  std::vector<Task> tasks_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

void stop_if_cancelled(const LoadOptions& options) {
  if (options.progress && options.progress->cancel.load(std::memory_order_relaxed)) {
    throw Error(ErrorCode::cancelled, "the load was cancelled");
  }
}

void read_storages(const Checkpoint& checkpoint, std::span<const StorageRead> reads, const LoadOptions& options,
                   const std::function<void(std::uint32_t)>& arrived) {
  Reader reader(checkpoint, reads, options, arrived);
  reader.plan();
  reader.run();
}

}  // namespace torchferry
