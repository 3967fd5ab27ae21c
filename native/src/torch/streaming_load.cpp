#include <c10/core/impl/VirtualGuardImpl.h>
#include <torchferry/devices.h>
#include <torchferry/error.h>
#include <torchferry/plan.h>
#include <torchferry/streaming_load.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "torch/arrivals.h"
#include "torch/materialise.h"
#include "torch/plain_mode.h"
#include "torch/translate_errors.h"

namespace torchferry {
namespace {

using Copied = std::shared_ptr<const c10::Event>;

LoadOptions with_progress(LoadOptions options) {
  if (!options.progress) options.progress = std::make_shared<Progress>();
  return options;
}

}  // namespace

/// What the loading thread and those who wait have in common. Fields below the mutex are read and written under it.
class StreamingLoad::Stream : public Arrivals {
 public:
  Stream(const Checkpoint& checkpoint, std::span<const Entry> entries, const LoadOptions& options,
         std::vector<std::string> path)
      : checkpoint_(checkpoint),
        table_(checkpoint_.table()),
        entries_(entries.begin(), entries.end()),
        options_(with_progress(options)),
        path_(std::move(path)),
        plan_(torchferry::plan(checkpoint_, entries_, options_, torch_catalog())),
        storages_(table_.storages().size()),
        copied_(table_.storages().size()),
        made_(table_.tensors().size()),
        materialiser_(table_, plan_, storages_) {
    list_entries();
    thread_ = std::thread([this] { run(); });
  }

  ~Stream() override {
    cancel();
    thread_.join();
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void arrived(std::uint32_t row, const c10::Storage& storage, Copied copied) override {
    {
      const std::lock_guard lock(mutex_);
      storages_[row] = storage;
      copied_[row] = std::move(copied);
      order_.push_back(row);
    }
    changed_.notify_all();
  }

  at::Tensor tensor(std::uint32_t row) override {
    const std::lock_guard lock(mutex_);
    return is_early(table_.tensors()[row]) ? make(row) : at::Tensor();
  }

  at::Tensor await(std::string_view key, bool in_stream) {
    const auto entry = numbers_.find(key);
    if (entry == numbers_.end()) {
      throw Error(ErrorCode::invalid_argument, "no tensor is named '" + std::string(key) + "'");
    }
    const TensorRow& row = table_.tensors()[entries_[entry->second].tensor];
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_ || (is_early(row) && storages_[row.storage]); });
    if (ended_) return loaded(key);
    const at::Tensor tensor = make(entries_[entry->second].tensor);
    const Copied copied = copied_[row.storage];
    lock.unlock();
    if (copied && in_stream) {
      block_current_stream(*copied, tensor.device());
    } else if (copied) {
      synchronize(*copied);
    }
    return tensor;
  }

  std::optional<StateDict> next() {
    std::unique_lock lock(mutex_);
    for (Copied waited;;) {
      changed_.wait(lock, [&] { return ended_ || given_ < order_.size(); });
      if (failure_) std::rethrow_exception(failure_);
      if (given_ < order_.size()) {
        const Copied first = copied_[order_[given_]];
        if (first && first != waited && !has_happened(*first)) {
          lock.unlock();
          synchronize(*first);
          lock.lock();
          waited = first;
          continue;
        }
      }
      const bool was_last = ended_;
      StateDict batch = give(take_ready(waited));
      if (batch.size() != 0) return batch;
      if (was_last) return std::nullopt;
    }
  }

  StateDict finish() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_; });
    if (failure_) std::rethrow_exception(failure_);
    return *result_;
  }

  bool contains(std::string_view key) const { return numbers_.contains(key); }

  void cancel() {
    const std::lock_guard lock(mutex_);
    if (!ended_) options_.progress->cancel = true;
  }

 private:
  /// Whether a tensor can be made when its storage arrives.
  bool is_early(const TensorRow& row) const {
    return !options_.cast && Materialiser::is_plain(row) && row.location == table_.storages()[row.storage].location;
  }

  void list_entries() {
    numbers_.reserve(entries_.size());
    for (std::uint32_t i = 0; i < entries_.size(); ++i) {
      if (!numbers_.emplace(entries_[i].key, i).second) {
        throw Error(ErrorCode::unsupported, "two tensors have the name '" + std::string(entries_[i].key) +
                                                "'; load a part of the content by its path, or rename one");
      }
      const TensorRow& row = table_.tensors()[entries_[i].tensor];
      if (is_early(row)) {
        on_storage_.emplace_back(row.storage, i);
      } else {
        late_.push_back(i);
      }
    }
    std::sort(on_storage_.begin(), on_storage_.end());
  }

  void run() noexcept {
    std::optional<StateDict> result;
    std::exception_ptr failure;
    try {
      result = StateDict::load(checkpoint_, entries_, options_, std::move(path_), this);
    } catch (...) {
      failure = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      result_ = std::move(result);
      failure_ = std::move(failure);
      copied_.assign(copied_.size(), nullptr);
      // What they hold is the result's, or given back before anybody hears of the end.
      made_.assign(made_.size(), at::Tensor());
      storages_.assign(storages_.size(), c10::Storage());
      ended_ = true;
    }
    changed_.notify_all();
  }

  /// Under the mutex, of a row whose storage has arrived; always the same object.
  const at::Tensor& make(std::uint32_t tensor_row) {
    at::Tensor& tensor = made_[tensor_row];
    if (!tensor.defined()) {
      const PlainMode mode;
      tensor = translated(ErrorCode::unsupported, [&] { return materialiser_.tensor(table_.tensors()[tensor_row]); });
    }
    return tensor;
  }

  /// Undefined for what the load leaves out.
  at::Tensor make_if_supported(std::uint32_t tensor_row) {
    try {
      return make(tensor_row);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unsupported) throw;
      return {};
    }
  }

  /// Under the mutex, when the load has ended.
  at::Tensor loaded(std::string_view key) const {
    if (failure_) std::rethrow_exception(failure_);
    if (const auto index = result_->find(key)) return result_->tensor(*index);
    std::string reason = "it was left out";
    for (const auto& [name, why] : result_->report().skipped) {
      if (name == key) reason = why;
    }
    throw Error(ErrorCode::unsupported, checkpoint_.name(), {}, std::nullopt,
                "tensor '" + std::string(key) + "': " + reason);
  }

  /// Under the mutex: the entries whose bytes are there and which no batch has had. Those of the first storage are,
  /// when `waited` is its event.
  std::vector<std::uint32_t> take_ready(const Copied& waited) {
    std::vector<std::uint32_t> batch;
    for (; given_ < order_.size(); ++given_) {
      const Copied& copied = copied_[order_[given_]];
      if (copied && copied != waited && !has_happened(*copied)) break;
      add_entries_on(order_[given_], batch);
    }
    if (ended_) {
      batch.insert(batch.end(), late_.begin(), late_.end());
      late_.clear();
    }
    return batch;
  }

  void add_entries_on(std::uint32_t storage, std::vector<std::uint32_t>& batch) const {
    auto next = std::lower_bound(on_storage_.begin(), on_storage_.end(), std::pair(storage, std::uint32_t{0}));
    for (; next != on_storage_.end() && next->first == storage; ++next) batch.push_back(next->second);
  }

  /// Under the mutex: what of these entries the load has.
  StateDict give(const std::vector<std::uint32_t>& batch) {
    std::vector<std::pair<std::string, at::Tensor>> items;
    std::vector<bool> parameters;
    for (const std::uint32_t number : batch) {
      const Entry& entry = entries_[number];
      at::Tensor tensor = ended_ ? result_tensor(entry.key) : make_if_supported(entry.tensor);
      if (!tensor.defined()) continue;
      items.emplace_back(entry.key, std::move(tensor));
      parameters.push_back(table_.tensors()[entry.tensor].parameter);
    }
    return StateDict::of(std::move(items), std::move(parameters));
  }

  at::Tensor result_tensor(std::string_view key) const {
    const auto index = result_->find(key);
    return index ? result_->tensor(*index) : at::Tensor();
  }

  /// Whether a copy is done, without waiting. One that failed is not: asking about an event need not tell of that, as
  /// waiting for it does.
  static bool has_happened(const c10::Event& copied) noexcept {
    try {
      if (!copied.query()) return false;
      copied.synchronize();
      return true;
    } catch (...) {
      return false;
    }
  }

  /// A copy that failed makes the load fail, whose error is the one to tell.
  void synchronize(const c10::Event& copied) {
    try {
      copied.synchronize();
    } catch (...) {
      finish();
      rethrow_translated(ErrorCode::device_unavailable);
    }
  }

  static void block_current_stream(const c10::Event& copied, const c10::Device& device) {
    translated(ErrorCode::device_unavailable,
               [&] { copied.block(c10::impl::VirtualGuardImpl(device.type()).getStream(device)); });
  }

  const Checkpoint checkpoint_;
  const TensorTable& table_;
  const std::vector<Entry> entries_;
  const LoadOptions options_;
  std::vector<std::string> path_;
  const LoadPlan plan_;
  std::unordered_map<std::string_view, std::uint32_t> numbers_;          // entries by key
  std::vector<std::pair<std::uint32_t, std::uint32_t>> on_storage_;      // (storage, entry) of the early ones, sorted

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<c10::Storage> storages_;  // by row; null until they arrive
  std::vector<Copied> copied_;          // by storage
  std::vector<std::uint32_t> order_;    // storages as they arrived
  std::size_t given_ = 0;               // how many of them `next` has given
  std::vector<std::uint32_t> late_;     // entries that are ready at the end, until `next` has given them
  std::vector<at::Tensor> made_;        // by row
  Materialiser materialiser_;
  bool ended_ = false;
  std::optional<StateDict> result_;
  std::exception_ptr failure_;
  std::thread thread_;
};

StreamingLoad::StreamingLoad(const Checkpoint& checkpoint, std::span<const Entry> entries, const LoadOptions& options,
                             std::vector<std::string> path)
try : stream_(std::make_unique<Stream>(checkpoint, entries, options, std::move(path))) {
} catch (const Error& error) {
  throw error.in(checkpoint.name());
}
StreamingLoad::StreamingLoad(const Checkpoint& checkpoint, const LoadOptions& options)
    : StreamingLoad(checkpoint, checkpoint.entries(), options) {}
StreamingLoad::~StreamingLoad() = default;
StreamingLoad::StreamingLoad(StreamingLoad&&) noexcept = default;

at::Tensor StreamingLoad::await(std::string_view key) { return stream_->await(key, /*in_stream=*/false); }
at::Tensor StreamingLoad::await_in_stream(std::string_view key) { return stream_->await(key, /*in_stream=*/true); }
bool StreamingLoad::contains(std::string_view key) const { return stream_->contains(key); }
std::optional<StateDict> StreamingLoad::next() { return stream_->next(); }
StateDict StreamingLoad::finish() { return stream_->finish(); }
void StreamingLoad::cancel() { stream_->cancel(); }

}  // namespace torchferry
