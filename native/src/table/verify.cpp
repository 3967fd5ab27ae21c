#include <torchferry/checkpoint.h>
#include <torchferry/error.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <span>

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

std::uint32_t sum_of_range(const ByteSource& source, std::uint64_t offset, std::uint64_t size, const Watch& watch) {
  std::vector<std::byte> chunk(static_cast<std::size_t>(std::min<std::uint64_t>(size, kChunk)));
  std::uint32_t sum = 0;
  for (std::uint64_t at = 0; at < size;) {
    const auto part = std::span(chunk).first(static_cast<std::size_t>(std::min<std::uint64_t>(size - at, kChunk)));
    source.read_at(offset + at, part);
    sum = crc32(sum, part);
    at += part.size();
    watch.add(part.size());
  }
  return sum;
}

/// Runs `sum`, which gives the sum of a part's bytes, and tells what it means.
template <class Sum>
void check(CheckedPart& part, std::uint32_t recorded, const Sum& sum) {
  try {
    const std::uint32_t found = sum();
    // A sum that happens to be zero is recorded like one that was left out; that of nothing is zero.
    if (recorded == 0 && part.bytes != 0) return;
    part.result = found == recorded ? Check::matches : Check::damaged;
    if (found != recorded) {
      part.problem = "the bytes do not match their recorded CRC-32: the file was damaged after it was written";
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::cancelled) throw;
    part.result = Check::damaged;
    part.problem = error.message();
  }
}

std::uint32_t sum_of_record(const ZipArchive& archive, std::uint32_t index, const Watch& watch) {
  const Record& record = archive.records()[index];
  if (!record.deflated) return sum_of_range(archive.source(), record.offset, record.size, watch);
  std::vector<std::byte> bytes(record.size);
  archive.read_into(index, bytes, false);
  watch.add(bytes.size());
  return crc32(0, bytes);
}

void check_records(const ZipArchive& archive, const VerifyOptions& options, std::vector<CheckedPart>& parts) {
  const Watch watch(options.progress);
  const auto records = archive.records();
  std::uint64_t total = 0;
  for (const Record& record : records) {
    parts.push_back({std::string(record.name), record.size, Check::unrecorded, {}});
    total += record.size;
  }
  watch.expect(total);
  // The largest first, so that no thread is left with one when the others are done.
  std::vector<std::uint32_t> order(records.size());
  std::iota(order.begin(), order.end(), std::uint32_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return records[a].size > records[b].size; });
  for_each_parallel(order.size(), options.threads, [&](std::size_t i) {
    const std::uint32_t index = order[i];
    check(parts[index], records[index].crc32, [&] { return sum_of_record(archive, index, watch); });
  });
}

void check_storages(const Checkpoint& checkpoint, const VerifyOptions& options, std::vector<CheckedPart>& parts) {
  const Watch watch(options.progress);
  const auto storages = checkpoint.table().storages();
  std::uint64_t total = 0;
  for (const StorageRow& row : storages) {
    parts.push_back({checkpoint.record_name(row), row.nbytes, Check::unrecorded, {}});
    total += row.nbytes;
  }
  watch.expect(total);
  for_each_parallel(storages.size(), options.threads, [&](std::size_t i) {
    const StorageRow& row = storages[i];
    check(parts[i], row.crc32, [&] {
      std::vector<std::byte> chunk(static_cast<std::size_t>(std::min<std::uint64_t>(row.nbytes, kChunk)));
      std::uint32_t sum = 0;
      if (!row.mappable()) {
        chunk.resize(row.nbytes);
        checkpoint.read_storage(row, chunk, true);
        watch.add(row.nbytes);
        return row.crc32;
      }
      for (std::uint64_t at = 0; at < row.nbytes;) {
        const auto piece =
            std::span(chunk).first(static_cast<std::size_t>(std::min<std::uint64_t>(row.nbytes - at, kChunk)));
        checkpoint.read_storage_range(row, at, piece);
        sum = crc32(sum, piece);
        at += piece.size();
        watch.add(piece.size());
      }
      return sum;
    });
  });
}

}  // namespace

Verification Checkpoint::verify(const VerifyOptions& options) const {
  Verification done;
  if (state_->archive) {
    check_records(*state_->archive, options, done.parts);
  } else {
    check_storages(*this, options, done.parts);
  }
  return done;
}

}  // namespace torchferry
