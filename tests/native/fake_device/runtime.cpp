#include "fake_device/runtime.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "fake_device/ledger.h"

namespace torchferry::fake {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int pool_size = 4;

/// The streams of one index. Id 0 is the default stream, 1 to pool_size are the pool, later ones are made on
/// demand.
struct Streams {
  std::mutex mutex;
  std::vector<std::unique_ptr<WorkQueue>> queues;
  int next_pooled = 0;

  Streams() {
    for (int id = 0; id <= pool_size; ++id) queues.push_back(std::make_unique<WorkQueue>());
  }
};

struct Link {
  std::mutex mutex;
  int64_t bytes_per_second = 0;
  Clock::time_point busy_until{};
};

Streams& streams_of(int index) {
  static auto* const streams = new std::array<Streams, TF_FAKE_MAX_DEVICES>;
  return (*streams)[index];
}

Link& link_of(int index) {
  static auto* const links = new std::array<Link, TF_FAKE_MAX_DEVICES>;
  return (*links)[index];
}

thread_local int thread_index = 0;
thread_local std::array<c10::StreamId, TF_FAKE_MAX_DEVICES> thread_streams{};

c10::Stream stream_at(int index, c10::StreamId id) {
  return c10::Stream(c10::Stream::UNSAFE, device_at(index), id);
}

}  // namespace

c10::Device device_at(int index) {
  return {c10::DeviceType::PrivateUse1, static_cast<c10::DeviceIndex>(index)};
}

int checked_index(c10::DeviceIndex index) {
  const int wanted = index == -1 ? thread_index : index;
  const int count = Ledger::get().device_count();
  TORCH_CHECK(wanted >= 0 && wanted < count, "FAKE error: invalid device ordinal: index ", wanted, " of ",
              count, " devices was asked for");
  return wanted;
}

int checked_index(const c10::Device& device) {
  TORCH_CHECK(device.is_privateuseone(), "FAKE error: ", device, " is not a fake device");
  return checked_index(device.index());
}

int current_index() { return thread_index; }
void set_current_index(int index) { thread_index = index; }

c10::Stream current_stream(int index) { return stream_at(index, thread_streams[index]); }

c10::Stream exchange_current_stream(c10::Stream stream) {
  const int index = checked_index(stream.device());
  queue_of(stream);
  return stream_at(index, std::exchange(thread_streams[index], stream.id()));
}

void WorkQueue::enqueue(std::function<void()> task) {
  std::scoped_lock lock(mutex_);
  tasks_.push_back(std::move(task));
  ++enqueued_;
  if (!std::exchange(started_, true)) std::thread(&WorkQueue::work, this).detach();
  changed_.notify_all();
}

bool WorkQueue::idle() const {
  std::scoped_lock lock(mutex_);
  return done_ == enqueued_;
}

void WorkQueue::synchronize() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this, last = enqueued_] { return done_ >= last; });
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

std::exception_ptr WorkQueue::failure() const {
  std::scoped_lock lock(mutex_);
  return failure_;
}

void WorkQueue::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return !tasks_.empty(); });
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    std::exception_ptr thrown;
    try {
      task();
    } catch (...) {
      thrown = std::current_exception();
    }
    task = nullptr;  // what it kept alive goes before anybody hears that it is done
    lock.lock();
    if (thrown && !failure_) failure_ = thrown;
    ++done_;
    changed_.notify_all();
  }
}

WorkQueue& queue_of(const c10::Stream& stream) {
  Streams& streams = streams_of(checked_index(stream.device()));
  std::scoped_lock lock(streams.mutex);
  TORCH_CHECK(stream.id() >= 0 && stream.id() < static_cast<c10::StreamId>(streams.queues.size()),
              "FAKE error: no stream ", stream.id(), " on ", stream.device());
  return *streams.queues[stream.id()];
}

c10::Stream pooled_stream(int index) {
  Streams& streams = streams_of(index);
  std::scoped_lock lock(streams.mutex);
  streams.next_pooled = streams.next_pooled % pool_size + 1;
  return stream_at(index, streams.next_pooled);
}

c10::Stream new_stream(int index) {
  Streams& streams = streams_of(index);
  std::scoped_lock lock(streams.mutex);
  streams.queues.push_back(std::make_unique<WorkQueue>());
  return stream_at(index, static_cast<c10::StreamId>(streams.queues.size()) - 1);
}

void synchronize_index(int index) {
  std::vector<WorkQueue*> queues;
  {
    Streams& streams = streams_of(index);
    std::scoped_lock lock(streams.mutex);
    for (const auto& queue : streams.queues) queues.push_back(queue.get());
  }
  std::exception_ptr first;
  for (WorkQueue* queue : queues) {
    try {
      queue->synchronize();
    } catch (...) {
      if (!first) first = std::current_exception();
    }
  }
  if (first) std::rethrow_exception(first);
}

void set_bandwidth(int index, int64_t bytes_per_second) {
  Link& link = link_of(index);
  std::scoped_lock lock(link.mutex);
  link.bytes_per_second = bytes_per_second;
  link.busy_until = {};
}

void occupy_link(int index, size_t bytes) {
  Link& link = link_of(index);
  Clock::time_point done;
  {
    std::scoped_lock lock(link.mutex);
    if (link.bytes_per_second <= 0) return;
    const std::chrono::duration<double> needed(static_cast<double>(bytes) /
                                               static_cast<double>(link.bytes_per_second));
    link.busy_until =
        std::max(Clock::now(), link.busy_until) + std::chrono::duration_cast<Clock::duration>(needed);
    done = link.busy_until;
  }
  std::this_thread::sleep_until(done);
}

namespace {

struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  int64_t copies = -1;
};

Gate& gate() {
  static Gate* const gate = new Gate;  // queues outlive everything
  return *gate;
}

}  // namespace

void hold_copies(int64_t copies) {
  {
    std::scoped_lock lock(gate().mutex);
    gate().copies = copies;
  }
  gate().changed.notify_all();
}

void pass_gate() {
  std::unique_lock lock(gate().mutex);
  gate().changed.wait(lock, [] { return gate().copies != 0; });
  if (gate().copies > 0) --gate().copies;
}

uint64_t EventState::mark_recorded() {
  std::scoped_lock lock(mutex_);
  return ++recorded_;
}

void EventState::mark_done(uint64_t version, std::exception_ptr failure) {
  std::scoped_lock lock(mutex_);
  done_ = std::max(done_, version);
  done_at_ms_ = std::chrono::duration<double, std::milli>(Clock::now().time_since_epoch()).count();
  failure_ = std::move(failure);
  changed_.notify_all();
}

bool EventState::done() const {
  std::scoped_lock lock(mutex_);
  return done_ >= recorded_;
}

void EventState::wait(uint64_t version) const {
  std::unique_lock lock(mutex_);
  if (version == 0) version = recorded_;
  changed_.wait(lock, [this, version] { return done_ >= version; });
  if (failure_) std::rethrow_exception(failure_);
}

uint64_t EventState::recorded() const {
  std::scoped_lock lock(mutex_);
  return recorded_;
}

double EventState::done_at_ms() const {
  std::scoped_lock lock(mutex_);
  return done_at_ms_;
}

void record_event(const std::shared_ptr<EventState>& event, const c10::Stream& stream) {
  WorkQueue& queue = queue_of(stream);
  queue.enqueue(
      [event, &queue, version = event->mark_recorded()] { event->mark_done(version, queue.failure()); });
}

void block_stream(const std::shared_ptr<EventState>& event, const c10::Stream& stream) {
  const uint64_t version = event->recorded();
  if (version == 0) return;
  queue_of(stream).enqueue([event, version] { event->wait(version); });
}

}  // namespace torchferry::fake
