#include "torch/place.h"

#include <torchferry/devices.h>
#include <torchferry/error.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>

#include "base/huge_memory.h"
#include "torch/block_read.h"
#include "torch/prefetch.h"
#include "torch/read_storages.h"
#include "torch/storage.h"
#include "torch/transfer.h"

namespace torchferry {
namespace {

/// The alignment that suits every dtype (complex128).
constexpr std::uintptr_t kAlignment = 16;
/// Host memory that reading ahead of a copy to a device takes at most, unless one storage is bigger.
constexpr std::uint64_t kStaging = std::uint64_t{256} << 20;
/// Storages in a block of host memory start at multiples of it, as libtorch's own allocator aligns them.
constexpr std::uint64_t kBlockAlignment = 64;
/// Below this a block of its own saves nothing.
constexpr std::uint64_t kSmallestBlock = std::uint64_t{1} << 20;

class Placement {
 public:
  Placement(const Checkpoint& checkpoint, std::span<const Entry> entries, const LoadPlan& plan,
            const LoadOptions& options, Arrivals* arrivals)
      : checkpoint_(checkpoint),
        table_(checkpoint.table()),
        entries_(entries),
        plan_(plan),
        options_(options),
        arrivals_(arrivals),
        mappings_(checkpoint.file_count()),
        mapped_(options.prefetch == Prefetch::none ? 0 : checkpoint.file_count()) {
    placed_.storages.resize(table_.storages().size());
  }

  PlacedStorages run() {
    map_or_sort();
    take_memory();
    DeviceTransfer transfer(checkpoint_, direct_, options_);
    announce(transfer);
    for (std::uint32_t file = 0; file < mapped_.size(); ++file) {
      prefetch(mapped_[file], options_, checkpoint_.file_name(file));
    }
    for (const std::uint32_t storage : in_place_) tell(storage);
    std::function<void(std::uint32_t)> arrived;
    if (arrivals_ != nullptr) arrived = [this](std::uint32_t storage) { tell(storage); };
    if (in_block_) in_block_->run(block_, options_, arrived);
    read_storages(checkpoint_, reads_, options_, arrived);
    transfer.run(placed_, arrivals_);
    copy_to_devices();
    return std::move(placed_);
  }

 private:
  const StorageRow& row(std::uint32_t storage) const { return table_.storages()[storage]; }

  void tell(std::uint32_t storage) {
    if (arrivals_ != nullptr) arrivals_->arrived(storage, placed_.storages[storage], nullptr);
  }

  /// Gives the mapped storages right away and lists the others by what has to be done for them.
  void map_or_sort() {
    for (const StoragePlan& step : plan_.storages) {
      const StorageRow& storage = row(step.storage);
      switch (step.transfer) {
        case Transfer::map: map_or_read(step.storage, storage); break;
        case Transfer::read: read(step.storage, storage); break;
        case Transfer::copy: sort_copy(step, storage); break;
        case Transfer::nothing: leave_out(step.storage, storage); break;
      }
    }
  }

  void map_or_read(std::uint32_t index, const StorageRow& storage) {
    const StorageMapping& mapping = mapping_of(storage.file);
    if (!suits(index, mapping.at(storage.file_offset))) return read(index, storage);
    if (arrivals_ != nullptr) in_place_.push_back(index);
    placed_.storages[index] = mapping.view(storage.file_offset, storage.nbytes);
    placed_.bytes_mapped += storage.nbytes;
    if (!mapped_.empty()) mapped_[storage.file].push_back({mapping.at(storage.file_offset), storage.nbytes});
  }

  void leave_out(std::uint32_t index, const StorageRow& storage) {
    if (arrivals_ != nullptr) in_place_.push_back(index);
    placed_.storages[index] = meta_storage(storage.nbytes);
  }

  void read(std::uint32_t index, const StorageRow& storage) {
    reads_.push_back({index, nullptr});
    placed_.bytes_read += storage.nbytes;
  }

  /// Host memory for what is read: one block in huge pages, or an allocation for each.
  void take_memory() {
    if (options_.device_memory == DeviceMemory::per_storage || placed_.bytes_read < kSmallestBlock) {
      for (StorageRead& read : reads_) {
        placed_.storages[read.storage] = own_storage(row(read.storage).nbytes);
        read.to = static_cast<std::byte*>(placed_.storages[read.storage].mutable_data());
      }
      return;
    }
    take_stretches();
    const auto padded = [](std::uint64_t nbytes) {
      return (nbytes + kBlockAlignment - 1) / kBlockAlignment * kBlockAlignment;
    };
    std::uint64_t length = padded(in_block_ ? in_block_->nbytes() : 0);
    std::uint64_t offset = length;
    for (const StorageRead& read : reads_) length += padded(row(read.storage).nbytes);
    const std::shared_ptr<std::byte> bytes = host_block(length);
    block_ = bytes.get();
    const StorageMapping block(bytes);
    for (std::size_t i = 0; in_block_ && i < in_block_->storages().size(); ++i) {
      const std::uint32_t storage = in_block_->storages()[i];
      placed_.storages[storage] = block.view(in_block_->offset(i), row(storage).nbytes);
    }
    for (StorageRead& read : reads_) {
      const std::uint64_t nbytes = row(read.storage).nbytes;
      placed_.storages[read.storage] = block.view(offset, nbytes);
      read.to = block_ + offset;
      offset += padded(nbytes);
    }
  }

  /// What lies in the file as it is needed is read in stretches; sums are those of single storages.
  void take_stretches() {
    if (options_.verify_checksums) return;
    std::vector<StorageRead> others;
    std::vector<std::uint32_t> stretches;
    for (const StorageRead& read : reads_) {
      const StorageRow& storage = row(read.storage);
      if (storage.mappable() && storage.nbytes != 0) {
        stretches.push_back(read.storage);
      } else {
        others.push_back(read);
      }
    }
    if (stretches.empty()) return;
    in_block_.emplace(checkpoint_, std::move(stretches));
    reads_ = std::move(others);
  }

  static std::shared_ptr<std::byte> host_block(std::uint64_t nbytes) {
    try {
      return huge_memory(nbytes);
    } catch (const std::bad_alloc&) {
      throw Error(ErrorCode::out_of_memory, "host memory ran out: " + std::to_string(nbytes) + " bytes were needed");
    }
  }

  /// Storages whose bytes lie in the file as they are needed travel by the transfer engine; the others are
  /// made in host memory first.
  void sort_copy(const StoragePlan& step, const StorageRow& storage) {
    if (storage.mappable() && !options_.verify_checksums && storage.nbytes != 0) {
      direct_.push_back({step.storage, to_c10(step.device)});
    } else {
      copies_.push_back(step);
    }
  }

  /// Whether tensors of this storage find their elements aligned at `address`. PyTorch's writers align
  /// storages to 64 bytes, so the dtypes are looked at only for files of others.
  bool suits(std::uint32_t storage, const std::byte* address) {
    const auto number = reinterpret_cast<std::uintptr_t>(address);
    if (number % kAlignment == 0) return true;
    if (alignments_.empty()) collect_alignments();
    return number % alignments_[storage] == 0;
  }

  void collect_alignments() {
    alignments_.assign(table_.storages().size(), 1);
    for (const Entry& entry : entries_) collect_alignments(table_.tensors()[entry.tensor]);
  }

  void collect_alignments(const TensorRow& tensor) {
    if (tensor.storage != kNone) {
      auto& alignment = alignments_[tensor.storage];
      alignment = std::max(alignment, static_cast<std::uint8_t>(itemsize(tensor.dtype)));
    }
    for (const std::uint32_t part : table_.parts(tensor)) collect_alignments(table_.tensors()[part]);
  }

  void announce(const DeviceTransfer& transfer) {
    if (!options_.progress) return;
    std::uint64_t total = placed_.bytes_read + transfer.bytes();
    for (const StoragePlan& step : copies_) total += 2 * row(step.storage).nbytes;
    for (const auto& ranges : mapped_) total += bytes_to_prefetch(ranges, options_);
    options_.progress->total.store(total, std::memory_order_relaxed);
  }

  void copy_to_devices() {
    for (std::size_t first = 0; first < copies_.size();) {
      const std::size_t end = stage(first);
      for (; first < end; ++first) copy(copies_[first]);
    }
  }

  /// Brings the host bytes of copies_[first, …) into placed_.storages, as many as the staging memory allows,
  /// and returns the end of them.
  std::size_t stage(std::size_t first) {
    std::vector<StorageRead> reads;
    std::uint64_t staged = 0;
    std::size_t end = first;
    for (; end < copies_.size(); ++end) {
      const std::uint32_t index = copies_[end].storage;
      const StorageRow& storage = row(index);
      if (staged != 0 && storage.nbytes > kStaging - std::min(staged, kStaging)) break;
      placed_.storages[index] = own_storage(storage.nbytes);
      reads.push_back({index, static_cast<std::byte*>(placed_.storages[index].mutable_data())});
      staged += storage.nbytes;
    }
    read_storages(checkpoint_, reads, options_);
    return end;
  }

  void copy(const StoragePlan& step) {
    stop_if_cancelled(options_);
    c10::Storage& storage = placed_.storages[step.storage];
    try {
      storage = copy_storage(storage, to_c10(step.device));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::out_of_memory) throw;
      throw Error(ErrorCode::out_of_memory, shortage(step) + error.message());
    }
    placed_.bytes_read += storage.nbytes();
    placed_.bytes_copied_to_devices += storage.nbytes();
    if (options_.progress) options_.progress->done.fetch_add(storage.nbytes(), std::memory_order_relaxed);
    tell(step.storage);
  }

  std::string shortage(const StoragePlan& step) const {
    const auto needed = plan_.bytes_by_device.find(step.device);
    return "the tensors need " + std::to_string(needed == plan_.bytes_by_device.end() ? 0 : needed->second) +
           " bytes on " + step.device.str() + ", of which " +
           std::to_string(placed_.bytes_copied_to_devices) + " were placed on devices and are given back; ";
  }

  /// For tensors: nobody sees what is written to them, not even another load of the same checkpoint.
  const StorageMapping& mapping_of(std::uint32_t file) {
    if (!mappings_[file]) mappings_[file] = std::make_unique<StorageMapping>(checkpoint_.map_private(file));
    return *mappings_[file];
  }

  const Checkpoint& checkpoint_;
  const TensorTable& table_;
  const std::span<const Entry> entries_;
  const LoadPlan& plan_;
  const LoadOptions& options_;
  Arrivals* const arrivals_;  // may be null
  PlacedStorages placed_;
  std::vector<std::unique_ptr<StorageMapping>> mappings_;  // by file
  std::vector<std::vector<MappedRange>> mapped_;           // by file; none without prefetch
  std::vector<std::uint8_t> alignments_;
  std::vector<std::uint32_t> in_place_;  // mapped or on the meta device; none when nobody hears of them
  std::vector<StorageRead> reads_;
  std::optional<BlockRead> in_block_;  // storages that are read together
  std::byte* block_ = nullptr;         // kept by the storages on it
  std::vector<DeviceLoad> direct_;
  std::vector<StoragePlan> copies_;
};

}  // namespace

PlacedStorages place_storages(const Checkpoint& checkpoint, std::span<const Entry> entries,
                              const LoadPlan& plan, const LoadOptions& options, Arrivals* arrivals) {
  return Placement(checkpoint, entries, plan, options, arrivals).run();
}

}  // namespace torchferry
