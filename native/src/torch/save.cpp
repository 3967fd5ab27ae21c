#include <torchferry/save.h>

#include <ATen/ops/empty.h>
#include <torchferry/error.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "container/zip_writer.h"
#include "io/atomic_file.h"
#include "torch/plain_mode.h"
#include "torch/save_pickle.h"
#include "torch/translate_errors.h"
#include "torch/views.h"

namespace torchferry {
namespace {

/// Bytes that are on the host at a time, on their way from a device.
constexpr std::uint64_t kStagingBytes = std::uint64_t{16} << 20;
/// Bytes of a CPU storage between two looks at the progress.
constexpr std::uint64_t kStepBytes = std::uint64_t{8} << 20;

constexpr std::uint32_t kLeastAlignment = 16;
constexpr std::uint32_t kMostAlignment = 65'536;

void require_alignment(std::uint32_t alignment) {
  if (std::has_single_bit(alignment) && alignment >= kLeastAlignment && alignment <= kMostAlignment) return;
  throw Error(ErrorCode::invalid_argument,
              "the alignment must be a power of two from " + std::to_string(kLeastAlignment) + " to " +
                  std::to_string(kMostAlignment) + ", not " + std::to_string(alignment));
}

/// PyTorch's name for an archive's root: the file's without its extension, where zip readers agree on how it
/// is spelt.
std::string root_name(const std::filesystem::path& path) {
  const std::string stem = path.stem().native();
  const bool plain =
      std::all_of(stem.begin(), stem.end(), [](char c) { return c >= ' ' && c < '\x7F' && c != '\\'; });
  return plain && !stem.empty() && stem.front() != '.' ? stem : "archive";
}

/// Writes the records of the storages.
class StorageRecords {
 public:
  StorageRecords(ZipWriter& archive, Progress* progress) : archive_(archive), progress_(progress) {}

  void write(std::size_t key, const SavedStorage& saved) {
    archive_.begin("data/" + std::to_string(key), saved.nbytes);
    if (saved.nbytes == 0) {
      look_for_cancel();
    } else if (saved.packed.defined()) {
      const at::Tensor packed = pack(saved);
      write_bytes(packed.storage(),
                  static_cast<std::uint64_t>(packed.storage_offset()) * packed.element_size(), saved.nbytes);
    } else {
      write_bytes(saved.storage, saved.begin, saved.nbytes);
    }
    archive_.end();
  }

 private:
  static at::Tensor pack(const SavedStorage& saved) {
    if (saved.storage) return saved.packed.contiguous();
    return saved.packed.cpu().resolve_conj().resolve_neg().contiguous();
  }

  void write_bytes(const c10::Storage& storage, std::uint64_t begin, std::uint64_t nbytes) {
    const bool on_host = storage.device().is_cpu();
    const std::uint64_t step = on_host ? kStepBytes : kStagingBytes;
    for (std::uint64_t done = 0; done < nbytes;) {
      look_for_cancel();
      const std::uint64_t size = std::min(step, nbytes - done);
      const auto* const bytes = on_host ? static_cast<const std::byte*>(storage.data()) + begin + done
                                        : staged(storage, begin + done, size, nbytes);
      archive_.write({bytes, static_cast<std::size_t>(size)});
      done += size;
      if (progress_) progress_->done.fetch_add(size, std::memory_order_relaxed);
    }
  }

  /// Brings `size` bytes of a device's storage to the host; they stay until the next call.
  const std::byte* staged(const c10::Storage& storage, std::uint64_t begin, std::uint64_t size,
                          std::uint64_t storage_bytes) {
    if (!staging_.defined() || static_cast<std::uint64_t>(staging_.numel()) < size) {
      staging_ = at::empty({static_cast<std::int64_t>(std::min(kStagingBytes, storage_bytes))}, c10::kByte);
    }
    const auto count = static_cast<std::int64_t>(size);
    translated(ErrorCode::io, [&] {
      view_on(staging_.storage(), c10::kByte, {count}, {1}, 0)
          .copy_(view_on(storage, c10::kByte, {count}, {1}, static_cast<std::int64_t>(begin)));
    });
    return static_cast<const std::byte*>(staging_.storage().data());
  }

  void look_for_cancel() const {
    if (progress_ && progress_->cancel.load(std::memory_order_relaxed)) {
      throw Error(ErrorCode::cancelled, "saving was cancelled; nothing was changed");
    }
  }

  ZipWriter& archive_;
  Progress* const progress_;
  at::Tensor staging_;
};

void write_archive(AtomicFile& file, const std::string& root, const std::string& pickle,
                   std::span<const SavedStorage> storages, const SaveOptions& options) {
  ZipWriter archive(file, root, {.alignment = options.alignment, .crc32 = options.crc32});
  archive.add("data.pkl", pickle);
  archive.add(".format_version", "1");
  archive.add(".storage_alignment", std::to_string(options.alignment));
  archive.add("byteorder", "little");
  StorageRecords records(archive, options.progress.get());
  for (std::size_t key = 0; key < storages.size(); ++key) records.write(key, storages[key]);
  archive.add("version", "3\n");
  archive.add(".data/serialization_id", archive.content_id());
  archive.finish();
}

void save_checked(const StateDict& state_dict, const std::filesystem::path& path,
                  const SaveOptions& options) {
  const PlainMode mode;
  require_alignment(options.alignment);
  StateDictPickle pickle(state_dict, options);
  const std::string bytes = pickle.write();
  const std::span<const SavedStorage> storages = pickle.storages().storages();
  std::uint64_t total = 0;
  for (const SavedStorage& saved : storages) total += saved.nbytes;
  if (options.progress) options.progress->total.store(total, std::memory_order_relaxed);
  AtomicFile file(path);
  file.reserve(total + bytes.size());
  write_archive(file, root_name(path), bytes, storages, options);
  file.commit();
}

}  // namespace

void save(const StateDict& state_dict, const std::filesystem::path& path, const SaveOptions& options) {
  try {
    translated(ErrorCode::io, [&] { save_checked(state_dict, path, options); });
  } catch (const Error& error) {
    throw error.in(path.native());
  }
}

}  // namespace torchferry
