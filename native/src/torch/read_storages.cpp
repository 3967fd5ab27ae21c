#include "torch/read_storages.h"

#include <torchferry/error.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "container/crc32.h"

namespace torchferry {
namespace {

constexpr std::uint64_t kChunk = std::uint64_t{8} << 20;
/// Below this a thread costs more than it brings.
constexpr std::uint64_t kBytesPerThread = std::uint64_t{1} << 20;
constexpr unsigned kMaxThreads = 8;

/// What one thread does in one go. Chunks of one storage are tasks of their own unless its sum has to be
/// checked, which needs its bytes in order.
struct Task {
  StorageRead read;
  std::uint64_t offset;
  std::uint64_t length;
};

class Reader {
 public:
  Reader(const Checkpoint& checkpoint, const LoadOptions& options)
      : checkpoint_(checkpoint), options_(options) {}

  void plan(std::span<const StorageRead> reads) {
    for (const StorageRead& read : reads) {
      const StorageRow& row = row_of(read);
      const bool splits = row.mappable() && !options_.verify_checksums;
      const std::uint64_t step = splits ? kChunk : std::max<std::uint64_t>(row.nbytes, 1);
      for (std::uint64_t offset = 0; offset < row.nbytes; offset += step) {
        tasks_.push_back({read, offset, std::min(step, row.nbytes - offset)});
      }
      bytes_ += row.nbytes;
    }
  }

  void run() {
    if (tasks_.empty()) return;
    const unsigned processors = std::max(1U, std::thread::hardware_concurrency());
    const std::uint64_t wanted = options_.threads != 0 ? options_.threads : std::min(processors, kMaxThreads);
    const std::uint64_t useful = std::min<std::uint64_t>(bytes_ / kBytesPerThread, tasks_.size());
    std::vector<std::thread> threads;
    const auto join = [&threads] {
      for (std::thread& thread : threads) thread.join();
    };
    try {
      for (std::uint64_t i = 1; i < std::min(wanted, useful); ++i) threads.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      // The system gives no more threads; those that run and this one do the work.
    } catch (...) {
      failed_ = true;
      join();
      throw;
    }
    work();
    join();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  const StorageRow& row_of(const StorageRead& read) const {
    return checkpoint_.table().storages()[read.storage];
  }

  void work() noexcept {
    try {
      for (std::size_t i = next_++; i < tasks_.size() && !failed_; i = next_++) perform(tasks_[i]);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      failed_ = true;
    }
  }

  void perform(const Task& task) {
    stop_if_cancelled(options_);
    const StorageRow& row = row_of(task.read);
    if (row.mappable()) {
      read_in_chunks(task, row);
    } else {
      read_whole(task, row);
    }
  }

  /// Stored as it is needed: chunk by chunk, so that a cancellation need not wait for the end.
  void read_in_chunks(const Task& task, const StorageRow& row) {
    const bool check = options_.verify_checksums && row.crc32 != 0;
    std::uint32_t sum = 0;
    for (std::uint64_t done = 0; done < task.length; done += kChunk) {
      stop_if_cancelled(options_);
      const std::span out(task.read.to + task.offset + done,
                          static_cast<std::size_t>(std::min(kChunk, task.length - done)));
      checkpoint_.read_storage_range(row, task.offset + done, out);
      if (check) sum = crc32(sum, out);
      advance(out.size());
    }
    if (check && sum != row.crc32) {
      throw Error(ErrorCode::corrupt, checkpoint_.name(), checkpoint_.record_name(row), 0,
                  "the bytes do not match their recorded CRC-32: the file was damaged after it was written");
    }
  }

  void read_whole(const Task& task, const StorageRow& row) {
    checkpoint_.read_storage(row, {task.read.to, static_cast<std::size_t>(row.nbytes)},
                             options_.verify_checksums);
    advance(row.nbytes);
  }

  void advance(std::uint64_t bytes) {
    if (options_.progress) options_.progress->done.fetch_add(bytes, std::memory_order_relaxed);
  }

  const Checkpoint& checkpoint_;
  const LoadOptions& options_;
  std::vector<Task> tasks_;
  std::uint64_t bytes_ = 0;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

void stop_if_cancelled(const LoadOptions& options) {
  if (options.progress && options.progress->cancel.load(std::memory_order_relaxed)) {
    throw Error(ErrorCode::cancelled, "the load was cancelled");
  }
}

void read_storages(const Checkpoint& checkpoint, std::span<const StorageRead> reads,
                   const LoadOptions& options) {
  Reader reader(checkpoint, options);
  reader.plan(reads);
  reader.run();
}

}  // namespace torchferry
