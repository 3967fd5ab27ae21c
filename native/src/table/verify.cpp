#include <torchferry/checkpoint.h>
#include <torchferry/error.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <span>
#include <utility>

#include "base/parallel.h"
#include "container/crc32.h"
#include "table/content_index.h"

// Sums of a file's parts: every record of a zip archive; where there is no archive, every storage.

namespace torchferry {

bool Verification::sound() const noexcept {
  return std::none_of(parts.begin(), parts.end(), [](const CheckedPart& part) { return part.result == Check::damaged; });
}

namespace {

constexpr std::size_t kChunk = std::size_t{1} << 20;

/// Counts what is done and stops the work when it is asked to.
class Watch {
 public:
  explicit Watch(const std::shared_ptr<Progress>& progress) : progress_(progress) {}

  void expect(std::uint64_t bytes) const {
    if (progress_) progress_->total = bytes;
  }

  void add(std::uint64_t bytes) const {
    if (!progress_) return;
    progress_->done += bytes;
    if (progress_->cancel) throw Error(ErrorCode::cancelled, "verification was cancelled");
  }

 private:
  const std::shared_ptr<Progress>& progress_;
};

/// One part to check: `sum` reads its bytes and gives their sum, or throws what is wrong with them.
struct Task {
  CheckedPart part;
  std::uint32_t recorded;
  std::function<std::uint32_t()> sum;
};

void perform(Task& task) {
  CheckedPart& part = task.part;
  try {
    const std::uint32_t found = task.sum();
    // A sum that happens to be zero is recorded like one that was left out; that of nothing is zero.
    if (task.recorded == 0 && part.bytes != 0) return;
    part.result = found == task.recorded ? Check::matches : Check::damaged;
    if (found != task.recorded) {
      part.problem = "the bytes do not match their recorded CRC-32: the file was damaged after it was written";
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::cancelled) throw;
    part.result = Check::damaged;
    part.problem = error.message();
  }
}

class Checks {
 public:
  Checks(const Checkpoint& checkpoint, const VerifyOptions& options)
      : checkpoint_(checkpoint), options_(options), watch_(options.progress) {}

  /// `file`: what the parts' names begin with.
  void add_records(const ZipArchive& archive, const std::string& file = {}) {
    for (std::uint32_t i = 0; i < archive.records().size(); ++i) {
      const Record& record = archive.records()[i];
      add(file + std::string(record.name), record.size, record.crc32, [this, &archive, i] { return sum_of_record(archive, i); });
    }
  }

  void add_storage(const StorageRow& row, const std::string& file = {}) {
    add(file + checkpoint_.record_name(row), row.nbytes, row.crc32, [this, &row] { return sum_of_storage(row); });
  }

  Verification run() && {
    std::uint64_t total = 0;
    for (const Task& task : tasks_) total += task.part.bytes;
    watch_.expect(total);
    // The largest first, so that no thread is left with one when the others are done.
    std::vector<std::size_t> order(tasks_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return tasks_[a].part.bytes > tasks_[b].part.bytes; });
    for_each_parallel(order.size(), options_.threads, [&](std::size_t i) { perform(tasks_[order[i]]); });
    Verification done;
    for (Task& task : tasks_) done.parts.push_back(std::move(task.part));
    return done;
  }

 private:
  void add(std::string name, std::uint64_t bytes, std::uint32_t recorded, std::function<std::uint32_t()> sum) {
    tasks_.push_back({{std::move(name), bytes, Check::unrecorded, {}}, recorded, std::move(sum)});
  }

  std::uint32_t sum_of_record(const ZipArchive& archive, std::uint32_t index) const {
    const Record& record = archive.records()[index];
    if (!record.deflated) {
      return sum_in_pieces(record.size, [&](std::uint64_t at, std::span<std::byte> piece) {
        archive.source().read_at(record.offset + at, piece);
      });
    }
    std::vector<std::byte> bytes(record.size);
    archive.read_into(index, bytes, false);
    watch_.add(bytes.size());
    return crc32(0, bytes);
  }

  /// A storage that cannot be read in pieces is checked by its reader.
  std::uint32_t sum_of_storage(const StorageRow& row) const {
    if (row.mappable()) {
      return sum_in_pieces(row.nbytes, [&](std::uint64_t at, std::span<std::byte> piece) {
        checkpoint_.read_storage_range(row, at, piece);
      });
    }
    std::vector<std::byte> bytes(row.nbytes);
    checkpoint_.read_storage(row, bytes, true);
    watch_.add(bytes.size());
    return row.crc32;
  }

  template <class Read>
  std::uint32_t sum_in_pieces(std::uint64_t size, const Read& read) const {
    std::vector<std::byte> chunk(static_cast<std::size_t>(std::min<std::uint64_t>(size, kChunk)));
    std::uint32_t sum = 0;
    for (std::uint64_t at = 0; at < size;) {
      const auto piece = std::span(chunk).first(static_cast<std::size_t>(std::min<std::uint64_t>(size - at, kChunk)));
      read(at, piece);
      sum = crc32(sum, piece);
      at += piece.size();
      watch_.add(piece.size());
    }
    return sum;
  }

  const Checkpoint& checkpoint_;
  const VerifyOptions& options_;
  const Watch watch_;
  std::vector<Task> tasks_;
};

/// Every record of the files that are archives, and every storage, or piece of one, of the others.
void add_files(const Checkpoint::State& state, Checks& checks) {
  const auto prefix = [&](std::uint32_t file) {
    const std::string& name = state.files[file].source->name();
    return name.substr(name.rfind('/') + 1) + ": ";
  };
  const auto is_archive = [&](std::uint32_t file) { return state.files[file].archive && !state.files[file].is_window; };
  for (std::uint32_t file = 0; file < state.files.size(); ++file) {
    if (is_archive(file)) checks.add_records(*state.files[file].archive, prefix(file));
  }
  for (const StorageRow& row : state.table.storages()) {
    if (!row.assembled()) {
      // The keys of storages in shards begin with the file's name.
      const bool named = state.format == Format::sharded;
      if (!is_archive(row.file)) checks.add_storage(row, named ? std::string() : prefix(row.file));
      continue;
    }
    for (const Piece& piece : state.assemblies[row.assembly].pieces) {
      if (!is_archive(piece.storage.file)) checks.add_storage(piece.storage, prefix(piece.storage.file));
    }
  }
}

}  // namespace

Verification Checkpoint::verify(const VerifyOptions& options) const {
  Checks checks(*this, options);
  if (!state_->files.empty()) {
    add_files(*state_, checks);
  } else if (state_->archive) {
    checks.add_records(*state_->archive);
  } else {
    for (const StorageRow& row : state_->table.storages()) checks.add_storage(row);
  }
  return std::move(checks).run();
}

}  // namespace torchferry
