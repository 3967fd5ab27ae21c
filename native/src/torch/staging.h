#pragma once

#include <ATen/core/Tensor.h>
#include <torchferry/staging.h>

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

namespace torchferry {

class StagingRing;

/// One buffer of the ring, given back when this goes. The holder sees to it that no copy reads it any more.
class StagingBuffer {
 public:
  StagingBuffer(StagingRing& ring, at::Tensor bytes) : ring_(&ring), bytes_(std::move(bytes)) {}
  StagingBuffer(StagingBuffer&& other) noexcept;
  StagingBuffer& operator=(StagingBuffer&& other) noexcept;
  ~StagingBuffer();

  /// `kStagingChunk` bytes on the CPU, page-locked where that is possible.
  const at::Tensor& bytes() const noexcept { return bytes_; }
  std::byte* data() const { return static_cast<std::byte*>(bytes_.mutable_data_ptr()); }

 private:
  StagingRing* ring_;
  at::Tensor bytes_;
};

/// The process-wide store of staging buffers. Whoever waits for a buffer holds none: every load goes on with one, and
/// takes a second only when it is free, so loads never wait for each other in a circle.
class StagingRing {
 public:
  static StagingRing& get();

  /// Waits for a buffer; `stop` is called several times a second and ends the wait by throwing. Throws
  /// Error(out_of_memory).
  StagingBuffer acquire(const std::function<void()>& stop);
  std::optional<StagingBuffer> try_acquire();

  void set_limit(std::uint64_t bytes);
  StagingStatus status() const;
  void release_idle();

 private:
  friend class StagingBuffer;
  void give_back(at::Tensor bytes) noexcept;
  std::optional<at::Tensor> take(std::unique_lock<std::mutex>& lock);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<at::Tensor> idle_;
  std::uint64_t limit_ = kDefaultStagingLimit;
  std::uint64_t allocated_ = 0;
  std::uint64_t in_use_ = 0;
  std::uint64_t peak_ = 0;
  std::uint64_t pinned_ = 0;
};

}  // namespace torchferry
