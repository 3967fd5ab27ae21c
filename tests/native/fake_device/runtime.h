#pragma once

#include <c10/core/Device.h>
#include <c10/core/Stream.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>

namespace torchferry::fake {

c10::Device device_at(int index);

/// The index itself, with -1 meaning the calling thread's current one; c10::Error when it is not there.
int checked_index(c10::DeviceIndex index);
/// checked_index of the device, which must be the fake's.
int checked_index(const c10::Device& device);

/// The calling thread's current index; set_ does not check.
int current_index();
void set_current_index(int index);

/// The calling thread's current stream of an index; exchange_ returns the one before.
c10::Stream current_stream(int index);
c10::Stream exchange_current_stream(c10::Stream stream);

/// A queue of work with a thread of its own, started by the first task. Lives for ever.
class WorkQueue {
 public:
  void enqueue(std::function<void()> task);
  bool idle() const;
  /// Waits for everything enqueued so far; throws what the first failed task threw since the last call.
  void synchronize();
  /// What synchronize() would throw now, left in place. For tasks of this queue.
  std::exception_ptr failure() const;

 private:
  void work();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  uint64_t enqueued_ = 0;
  uint64_t done_ = 0;
  bool started_ = false;
  std::exception_ptr failure_;
};

/// The queue of a stream; c10::Error for a stream nobody was given.
WorkQueue& queue_of(const c10::Stream& stream);
c10::Stream pooled_stream(int index);
c10::Stream new_stream(int index);
/// Synchronizes every stream of the index; throws the first failure after all are done.
void synchronize_index(int index);

/// The wire between an index and everything outside it.
void set_bandwidth(int index, int64_t bytes_per_second);
/// Waits as long as the wire needs for the bytes, after everybody who asked before. At once when it is not
/// limited.
void occupy_link(int index, size_t bytes);

/// How many queued copies may go; negative: all.
void hold_copies(int64_t copies);
/// Called in the queue before a copy: waits while none may go.
void pass_gate();

/// What a c10::Event of the fake points to. Copies share it, so queued tasks may outlive the event.
class EventState {
 public:
  /// Opens a new version, not done yet, and returns it.
  uint64_t mark_recorded();
  void mark_done(uint64_t version, std::exception_ptr failure);
  bool done() const;
  /// Waits until the version is done (0: the newest recorded); throws the failure met on the stream before
  /// it.
  void wait(uint64_t version = 0) const;
  uint64_t recorded() const;
  /// Milliseconds since the steady clock's epoch at which the newest version was done.
  double done_at_ms() const;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  uint64_t recorded_ = 0;
  uint64_t done_ = 0;
  double done_at_ms_ = 0;
  std::exception_ptr failure_;
};

void record_event(const std::shared_ptr<EventState>& event, const c10::Stream& stream);
void block_stream(const std::shared_ptr<EventState>& event, const c10::Stream& stream);

}  // namespace torchferry::fake
