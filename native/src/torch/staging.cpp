#include "torch/staging.h"

#include <ATen/ops/empty.h>
#include <torchferry/error.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "torch/plain_mode.h"

namespace torchferry {
namespace {

/// How often a waiting load looks whether it is to stop.
constexpr std::chrono::milliseconds kStopInterval{50};

at::Tensor allocate() {
  const PlainMode mode;
  const auto options = at::TensorOptions(at::kCPU).dtype(at::kByte);
  constexpr auto nbytes = static_cast<std::int64_t>(kStagingChunk);
  try {
    return at::empty({nbytes}, options.pinned_memory(true));
  } catch (const std::exception&) {
    // The backend locks no pages, or has none left to lock: copies are slower then, and right all the same.
  }
  try {
    return at::empty({nbytes}, options);
  } catch (const std::exception&) {
    throw Error(ErrorCode::out_of_memory, "host memory ran out: " + std::to_string(nbytes) +
                                              " bytes were needed to carry tensors to a device");
  }
}

}  // namespace

StagingBuffer::StagingBuffer(StagingBuffer&& other) noexcept
    : ring_(std::exchange(other.ring_, nullptr)), bytes_(std::move(other.bytes_)) {}

StagingBuffer& StagingBuffer::operator=(StagingBuffer&& other) noexcept {
  std::swap(ring_, other.ring_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

StagingBuffer::~StagingBuffer() {
  if (ring_ != nullptr) ring_->give_back(std::move(bytes_));
}

StagingRing& StagingRing::get() {
  // Never destroyed: page-locked memory must not be freed after its backend has shut down.
  static StagingRing* const ring = new StagingRing;
  return *ring;
}

std::optional<at::Tensor> StagingRing::take(std::unique_lock<std::mutex>& lock) {
  if (!idle_.empty()) {
    at::Tensor bytes = std::move(idle_.back());
    idle_.pop_back();
    in_use_ += kStagingChunk;
    return bytes;
  }
  if (allocated_ + kStagingChunk > limit_) return std::nullopt;
  allocated_ += kStagingChunk;
  in_use_ += kStagingChunk;
  lock.unlock();
  try {
    at::Tensor bytes = allocate();
    const bool pinned = bytes.is_pinned();
    lock.lock();
    peak_ = std::max(peak_, allocated_);
    if (pinned) pinned_ += kStagingChunk;
    return bytes;
  } catch (...) {
    if (!lock.owns_lock()) lock.lock();
    allocated_ -= kStagingChunk;
    in_use_ -= kStagingChunk;
    changed_.notify_all();
    throw;
  }
}

StagingBuffer StagingRing::acquire(const std::function<void()>& stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (auto bytes = take(lock)) return StagingBuffer(*this, std::move(*bytes));
    changed_.wait_for(lock, kStopInterval);
    lock.unlock();
    stop();
    lock.lock();
  }
}

std::optional<StagingBuffer> StagingRing::try_acquire() {
  std::unique_lock lock(mutex_);
  auto bytes = take(lock);
  if (!bytes) return std::nullopt;
  return StagingBuffer(*this, std::move(*bytes));
}

void StagingRing::give_back(at::Tensor bytes) noexcept {
  at::Tensor surplus;
  {
    const std::lock_guard lock(mutex_);
    in_use_ -= kStagingChunk;
    if (allocated_ > limit_) {
      allocated_ -= kStagingChunk;
      if (bytes.is_pinned()) pinned_ -= kStagingChunk;
      surplus = std::move(bytes);
    } else {
      idle_.push_back(std::move(bytes));
    }
  }
  changed_.notify_all();
}

void StagingRing::set_limit(std::uint64_t bytes) {
  std::vector<at::Tensor> surplus;
  {
    const std::lock_guard lock(mutex_);
    limit_ = std::max(bytes / kStagingChunk, std::uint64_t{1}) * kStagingChunk;
    while (allocated_ > limit_ && !idle_.empty()) {
      allocated_ -= kStagingChunk;
      if (idle_.back().is_pinned()) pinned_ -= kStagingChunk;
      surplus.push_back(std::move(idle_.back()));
      idle_.pop_back();
    }
  }
  changed_.notify_all();
}

StagingStatus StagingRing::status() const {
  const std::lock_guard lock(mutex_);
  return {limit_, allocated_, in_use_, peak_, pinned_};
}

void StagingRing::release_idle() {
  std::vector<at::Tensor> freed;
  const std::lock_guard lock(mutex_);
  freed.swap(idle_);
  for (const at::Tensor& bytes : freed) {
    allocated_ -= kStagingChunk;
    if (bytes.is_pinned()) pinned_ -= kStagingChunk;
  }
}

void set_staging_limit(std::uint64_t bytes) { StagingRing::get().set_limit(bytes); }
StagingStatus staging_status() { return StagingRing::get().status(); }
void release_staging() { StagingRing::get().release_idle(); }

}  // namespace torchferry
