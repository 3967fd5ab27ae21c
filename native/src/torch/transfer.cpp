#include "torch/transfer.h"

#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torchferry/devices.h>
#include <torchferry/error.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <memory>

#include "base/parallel.h"
#include "placement/device_layout.h"
#include "torch/plain_mode.h"
#include "torch/read_storages.h"
#include "torch/staging.h"
#include "torch/slab.h"
#include "torch/storage.h"
#include "torch/translate_errors.h"
#include "torch/views.h"

namespace torchferry {
namespace {

/// A stream beside the one that the caller computes on, where the backend has such.
c10::Stream side_stream(const c10::impl::VirtualGuardImpl& backend, const c10::Device& device) {
  try {
    return backend.getStreamFromGlobalPool(device);
  } catch (const std::exception&) {
    return backend.getStream(device);
  }
}

/// One device of a load: where its storages go and how their bytes get there.
class Target {
 public:
  Target(const c10::Device& device, std::vector<std::uint32_t> storages, const TensorTable& table)
      : device_(device),
        backend_(device.type()),
        stream_(side_stream(backend_, device)),
        storages_(std::move(storages)) {
    std::vector<StoredRange> ranges;
    ranges.reserve(storages_.size());
    for (const std::uint32_t storage : storages_) {
      const StorageRow& row = table.storages()[storage];
      ranges.push_back({row.file, row.file_offset, row.nbytes});
      nbytes_ += row.nbytes;
    }
    layout_ = lay_out(ranges);
  }

  /// Waits for what may still run on memory that is going to be freed.
  ~Target() { settle(); }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  const c10::Device& device() const noexcept { return device_; }
  /// Bytes of the storages.
  std::uint64_t nbytes() const noexcept { return nbytes_; }
  /// Bytes that are read for them, what separates them in the file included.
  std::uint64_t bytes_to_read() const noexcept {
    std::uint64_t sum = 0;
    for (const FileRun& run : layout_.runs) sum += run.nbytes;
    return sum;
  }
  std::size_t chunk_count() const noexcept {
    return static_cast<std::size_t>((layout_.nbytes + kStagingChunk - 1) / kStagingChunk);
  }

  /// Takes the device's memory. Memory may be reused from work that the caller's stream has not finished: the copies
  /// wait for that.
  void allocate(const TensorTable& table, DeviceMemory how) {
    if (how == DeviceMemory::slab && device_.type() != c10::DeviceType::MPS) {
      slab_ = std::make_unique<StorageSlab>(layout_.nbytes, device_);
      for (std::size_t i = 0; i < storages_.size(); ++i) {
        homes_.push_back(slab_->view(layout_.offsets[i], table.storages()[storages_[i]].nbytes));
      }
    } else {
      for (const std::uint32_t storage : storages_) {
        homes_.push_back(device_storage(table.storages()[storage].nbytes, device_));
      }
    }
    c10::Event ready(device_.type());
    ready.record(backend_.getStream(device_));
    ready.block(stream_);
  }

  std::vector<FileRun> reads(std::size_t chunk) const {
    const std::uint64_t begin = chunk * kStagingChunk;
    return runs_within(layout_, begin, std::min(begin + kStagingChunk, layout_.nbytes));
  }

  /// Starts the copies of one filled buffer; the event tells when they are done. Any thread.
  std::shared_ptr<const c10::Event> submit(std::size_t chunk, const StagingBuffer& buffer) {
    const std::uint64_t begin = chunk * kStagingChunk;
    const std::uint64_t end = std::min(begin + kStagingChunk, layout_.nbytes);
    const c10::StreamGuard on(stream_);
    if (slab_) {
      copy(slab_->whole(), begin, buffer, 0, end - begin);
    } else {
      for_each_piece(chunk, [&](std::size_t i, std::uint64_t first, std::uint64_t last) {
        copy(homes_[i], first - layout_.offsets[i], buffer, first - begin, last - first);
      });
    }
    return recorded();
  }

  /// Before the first copy, when somebody is to be told of the storages.
  void count_chunks() {
    chunks_left_ = std::make_unique<std::atomic<std::size_t>[]>(storages_.size());
    for (std::size_t chunk = 0; chunk < chunk_count(); ++chunk) {
      for_each_piece(chunk, [this](std::size_t i, std::uint64_t, std::uint64_t) { ++chunks_left_[i]; });
    }
  }

  /// Tells of the storages of which this was the last chunk whose copy had to be asked for. `copied` is its event, which
  /// may come before copies that other threads asked for: storages in several chunks get one that comes after all.
  void tell(std::size_t chunk, const std::shared_ptr<const c10::Event>& copied, Arrivals& arrivals) {
    std::shared_ptr<const c10::Event> after_all;
    for_each_piece(chunk, [&](std::size_t i, std::uint64_t first, std::uint64_t last) {
      if (--chunks_left_[i] != 0) return;
      const bool whole = last - first == homes_[i].nbytes();
      if (!whole && !after_all) after_all = recorded();
      arrivals.arrived(storages_[i], homes_[i], whole ? copied : after_all);
    });
  }

  /// Waits for all copies; throws what one of them failed with.
  void finish() {
    backend_.synchronizeStream(stream_);
    settled_ = true;
  }

  void hand_over(PlacedStorages& placed) {
    for (std::size_t i = 0; i < storages_.size(); ++i) placed.storages[storages_[i]] = std::move(homes_[i]);
  }

 private:
  /// An event behind everything that the stream has been asked for.
  std::shared_ptr<const c10::Event> recorded() const {
    auto event = std::make_shared<c10::Event>(device_.type());
    event->record(stream_);
    return event;
  }

  /// Calls `piece(number of the storage, begin, end)` for each storage that has bytes in the chunk.
  template <class Piece>
  void for_each_piece(std::size_t chunk, const Piece& piece) const {
    const std::uint64_t begin = chunk * kStagingChunk;
    const std::uint64_t end = std::min(begin + kStagingChunk, layout_.nbytes);
    const auto starts_after = [](std::uint64_t place, std::uint64_t offset) { return place < offset; };
    auto i = static_cast<std::size_t>(
        std::upper_bound(layout_.offsets.begin(), layout_.offsets.end(), begin, starts_after) -
        layout_.offsets.begin());
    if (i > 0) --i;
    for (; i < storages_.size() && layout_.offsets[i] < end; ++i) {
      const std::uint64_t first = std::max(begin, layout_.offsets[i]);
      const std::uint64_t last = std::min(end, layout_.offsets[i] + homes_[i].nbytes());
      if (first < last) piece(i, first, last);
    }
  }

  static void copy(const c10::Storage& to, std::uint64_t at, const StagingBuffer& from, std::uint64_t from_at,
                   std::uint64_t nbytes) {
    const auto count = static_cast<std::int64_t>(nbytes);
    const at::Tensor source =
        view_on(from.bytes().storage(), c10::kByte, {count}, {1}, static_cast<std::int64_t>(from_at));
    view_on(to, c10::kByte, {count}, {1}, static_cast<std::int64_t>(at)).copy_(source, /*non_blocking=*/true);
  }

  void settle() noexcept {
    if (settled_) return;
    try {
      backend_.synchronizeStream(stream_);
    } catch (...) {
      // What failed has been or is being reported by `finish` or a worker; here only the end of all copies counts.
    }
  }

  const c10::Device device_;
  const c10::impl::VirtualGuardImpl backend_;
  const c10::Stream stream_;
  const std::vector<std::uint32_t> storages_;
  std::uint64_t nbytes_ = 0;
  DeviceLayout layout_;
  std::unique_ptr<StorageSlab> slab_;
  std::vector<c10::Storage> homes_;
  std::unique_ptr<std::atomic<std::size_t>[]> chunks_left_;  // by storage; null when nobody hears of them
  bool settled_ = false;
};

/// The buffers that one thread has filled and the device still reads. Two are enough for a copy to run while the next
/// buffer fills.
class InFlight {
 public:
  InFlight() = default;
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;
  ~InFlight() {
    for (Copy& copy : copies_) {
      try {
        copy.done->synchronize();
      } catch (...) {
        // The buffer must not be given back while it is read; why a copy failed is told by `wait` or `finish`.
      }
    }
  }

  /// A buffer to fill: a free one, else the oldest of these when its copy is done.
  StagingBuffer next(const std::function<void()>& stop) {
    if (copies_.size() < 2) {
      if (auto buffer = StagingRing::get().try_acquire()) return std::move(*buffer);
    }
    if (copies_.empty()) return StagingRing::get().acquire(stop);
    copies_.front().done->synchronize();
    StagingBuffer buffer = std::move(copies_.front().buffer);
    copies_.pop_front();
    return buffer;
  }

  void add(StagingBuffer buffer, std::shared_ptr<const c10::Event> done) {
    copies_.push_back({std::move(buffer), std::move(done)});
  }

 private:
  struct Copy {
    StagingBuffer buffer;
    std::shared_ptr<const c10::Event> done;
  };
  std::deque<Copy> copies_;
};

}  // namespace

struct DeviceTransfer::Engine {
 public:
  Engine(const Checkpoint& checkpoint, std::span<const DeviceLoad> loads, const LoadOptions& options)
      : checkpoint_(checkpoint), options_(options) {
    const auto& rows = checkpoint_.table().storages();
    std::map<c10::DeviceType, std::map<c10::DeviceIndex, std::vector<std::uint32_t>>> by_device;
    for (const DeviceLoad& load : loads) by_device[load.device.type()][load.device.index()].push_back(load.storage);
    for (auto& [type, indices] : by_device) {
      for (auto& [index, storages] : indices) {
        std::sort(storages.begin(), storages.end(), [&](std::uint32_t a, std::uint32_t b) {
          return rows[a].file != rows[b].file ? rows[a].file < rows[b].file
                                              : rows[a].file_offset < rows[b].file_offset;
        });
        targets_.push_back(
            std::make_unique<Target>(c10::Device(type, index), std::move(storages), checkpoint_.table()));
      }
    }
  }

  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const auto& target : targets_) sum += target->bytes_to_read();
    return sum;
  }

  void run(PlacedStorages& placed, Arrivals* arrivals) {
    arrivals_ = arrivals;
    translated(ErrorCode::device_unavailable, [&] { carry(placed); });
  }

 private:
  struct Chunk {
    Target* target;
    std::size_t number;
  };

  void carry(PlacedStorages& placed) {
    std::uint64_t taken = 0;
    for (const auto& target : targets_) {
      allocate(*target, taken);
      taken += target->nbytes();
      if (arrivals_ != nullptr) target->count_chunks();
    }
    list_chunks();
    work_in_parallel(chunks_.size(), threads_or_default(options_.threads), [this](TaskNumbers& numbers) { work(numbers); });
    for (const auto& target : targets_) target->finish();
    for (const auto& target : targets_) {
      target->hand_over(placed);
      placed.bytes_read += target->nbytes();
      placed.bytes_copied_to_devices += target->nbytes();
    }
    placed.bytes_pinned += pinned_.load();
  }

  void allocate(Target& target, std::uint64_t taken) const {
    try {
      target.allocate(checkpoint_.table(), options_.device_memory);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::out_of_memory) throw;
      throw Error(ErrorCode::out_of_memory, shortage(target, taken) + error.message());
    }
  }

  static std::string shortage(const Target& target, std::uint64_t taken) {
    std::string text = "the tensors need " + std::to_string(target.nbytes()) + " bytes on " +
                       from_c10(target.device()).str();
    if (const auto memory = device_memory_info(from_c10(target.device()))) {
      text += ", which has " + std::to_string(memory->free) + " of " + std::to_string(memory->total) + " free";
    }
    if (taken != 0) text += "; " + std::to_string(taken) + " bytes placed on other devices are given back";
    return text + "; ";
  }

  /// Devices take turns, so that all their links work at once.
  void list_chunks() {
    for (std::size_t number = 0;; ++number) {
      const std::size_t before = chunks_.size();
      for (const auto& target : targets_) {
        if (number < target->chunk_count()) chunks_.push_back({target.get(), number});
      }
      if (chunks_.size() == before) return;
    }
  }

  void work(TaskNumbers& numbers) {
    const PlainMode mode;
    const auto stop = [this] { stop_if_cancelled(options_); };
    InFlight in_flight;
    while (const auto number = numbers.next()) {
      const Chunk& chunk = chunks_[*number];
      stop();
      StagingBuffer buffer = in_flight.next(stop);
      const std::uint64_t nbytes = fill(chunk, buffer);
      auto done = chunk.target->submit(chunk.number, buffer);
      if (arrivals_ != nullptr) chunk.target->tell(chunk.number, done, *arrivals_);
      if (buffer.bytes().is_pinned()) pinned_ += nbytes;
      in_flight.add(std::move(buffer), std::move(done));
      if (options_.progress) options_.progress->done.fetch_add(nbytes, std::memory_order_relaxed);
    }
  }

  std::uint64_t fill(const Chunk& chunk, StagingBuffer& buffer) const {
    std::uint64_t nbytes = 0;
    for (const FileRun& run : chunk.target->reads(chunk.number)) {
      const std::span out(buffer.data() + run.at % kStagingChunk, static_cast<std::size_t>(run.nbytes));
      checkpoint_.read_file(run.file, run.offset, out);
      nbytes += run.nbytes;
    }
    return nbytes;
  }

  const Checkpoint& checkpoint_;
  const LoadOptions& options_;
  Arrivals* arrivals_ = nullptr;
  std::vector<std::unique_ptr<Target>> targets_;
  std::vector<Chunk> chunks_;
  std::atomic<std::uint64_t> pinned_{0};
};

DeviceTransfer::DeviceTransfer(const Checkpoint& checkpoint, std::span<const DeviceLoad> loads,
                               const LoadOptions& options)
    : engine_(std::make_unique<Engine>(checkpoint, loads, options)) {}
DeviceTransfer::~DeviceTransfer() = default;

std::uint64_t DeviceTransfer::bytes() const { return engine_->bytes(); }
void DeviceTransfer::run(PlacedStorages& placed, Arrivals* arrivals) { engine_->run(placed, arrivals); }

}  // namespace torchferry
