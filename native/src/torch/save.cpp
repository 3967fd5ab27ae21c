#include <torchferry/save.h>

#include <torchferry/error.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "container/zip_writer.h"
#include "io/atomic_files.h"
#include "torch/plain_mode.h"
#include "torch/save_content.h"
#include "torch/save_safetensors.h"
#include "torch/save_shards.h"
#include "torch/storage_stream.h"
#include "torch/translate_errors.h"

namespace torchferry {
namespace {

constexpr std::uint32_t kLeastAlignment = 16;
constexpr std::uint32_t kMostAlignment = 65'536;

void require(const SaveOptions& options) {
  const std::uint32_t alignment = options.alignment;
  if (!std::has_single_bit(alignment) || alignment < kLeastAlignment || alignment > kMostAlignment) {
    throw Error(ErrorCode::invalid_argument,
                "the alignment must be a power of two from " + std::to_string(kLeastAlignment) + " to " +
                    std::to_string(kMostAlignment) + ", not " + std::to_string(alignment));
  }
  if (options.format != Format::zip && options.format != Format::safetensors) {
    throw Error(ErrorCode::invalid_argument, "files of the format " + std::string(name(options.format)) +
                                                 " are not written; zip and safetensors are");
  }
  if (options.max_shard_bytes && *options.max_shard_bytes == 0) {
    throw Error(ErrorCode::invalid_argument, "a shard needs room for at least one byte");
  }
}

/// PyTorch's name for an archive's root: the file's without its extension, where zip readers agree on how it
/// is spelt.
std::string root_name(const std::filesystem::path& path) {
  const std::string stem = path.stem().native();
  const bool plain =
      std::all_of(stem.begin(), stem.end(), [](char c) { return c >= ' ' && c < '\x7F' && c != '\\'; });
  return plain && !stem.empty() && stem.front() != '.' ? stem : "archive";
}

/// The record that an archive has open, as a sink.
class RecordSink final : public ByteSink {
 public:
  explicit RecordSink(ZipWriter& archive) : archive_(archive) {}
  void write(std::span<const std::byte> bytes) override { archive_.write(bytes); }

 private:
  ZipWriter& archive_;
};

/// One torch.save file.
class ZipFile final : public SavedFile {
 public:
  ZipFile(Content content, const std::filesystem::path& path, const SaveOptions& options)
      : content_(std::move(content)),
        root_(root_name(path)),
        options_(options),
        pickle_(content_, options),
        bytes_(pickle_.write()) {}

  std::uint64_t tensor_bytes() const override {
    std::uint64_t total = 0;
    for (const SavedStorage& saved : pickle_.storages().storages()) total += saved.nbytes;
    return total;
  }
  std::uint64_t other_bytes() const override { return bytes_.size(); }

  void write(ByteSink& file, StorageStream& stream) const override {
    ZipWriter archive(file, root_, {.alignment = options_.alignment, .crc32 = options_.crc32});
    archive.add("data.pkl", bytes_);
    archive.add(".format_version", "1");
    archive.add(".storage_alignment", std::to_string(options_.alignment));
    archive.add("byteorder", "little");
    RecordSink record(archive);
    const std::span<const SavedStorage> storages = pickle_.storages().storages();
    for (std::size_t key = 0; key < storages.size(); ++key) {
      const SavedStorage& saved = storages[key];
      archive.begin("data/" + std::to_string(key), saved.nbytes);
      if (saved.packed.defined()) {
        stream.elements(record, saved.packed);
      } else {
        stream.stretch(record, saved.storage, saved.begin, saved.nbytes);
      }
      archive.end();
    }
    archive.add("version", "3\n");
    archive.add(".data/serialization_id", archive.content_id());
    archive.finish();
  }

 private:
  const Content content_;
  const std::string root_;
  const SaveOptions& options_;
  ContentPickle pickle_;
  const std::string bytes_;
};

/// What will be written where. Everything that can be refused is, before a file is made.
struct Output {
  std::filesystem::path path;
  std::unique_ptr<SavedFile> file;
};

std::vector<Output> outputs(const Content& content, const std::filesystem::path& path,
                            const SaveOptions& options, SaveReport& report) {
  std::vector<Output> all;
  if (options.format == Format::safetensors) {
    SafetensorsContent tensors(content, options);
    report.repeated = tensors.repeated();
    const ShardPlan shards = tensors.plan(path);
    for (const Shard& shard : shards.shards) all.push_back({shard.path, tensors.file(shard.members)});
    if (shards.index) all.push_back({shards.index_path(path), index_file(*shards.index)});
    return all;
  }
  if (!options.max_shard_bytes) {
    all.push_back({path, std::make_unique<ZipFile>(content, path, options)});
    return all;
  }
  const FlatContent flat(content);
  const ShardPlan shards = flat.plan(path, *options.max_shard_bytes);
  for (const Shard& shard : shards.shards) {
    all.push_back({shard.path, std::make_unique<ZipFile>(flat.part(shard.members), shard.path, options)});
  }
  if (shards.index) all.push_back({shards.index_path(path), index_file(*shards.index)});
  return all;
}

SaveReport save_checked(const Content& content, const std::filesystem::path& path,
                        const SaveOptions& options) {
  const PlainMode mode;
  require(options);
  SaveReport report;
  const std::vector<Output> all = outputs(content, path, options, report);
  std::uint64_t total = 0;
  for (const Output& output : all) total += output.file->tensor_bytes();
  if (options.progress) options.progress->total.store(total, std::memory_order_relaxed);
  AtomicFiles files;
  std::vector<AtomicFile*> targets;
  for (const Output& output : all) {
    AtomicFile& target = *targets.emplace_back(&files.add(output.path));
    target.reserve(output.file->tensor_bytes() + output.file->other_bytes());
  }
  StorageStream stream(options.progress.get());
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].file->write(*targets[i], stream);
    report.bytes += targets[i]->written();
    report.files.push_back(all[i].path);
  }
  stream.look_for_cancel();
  files.commit();
  return report;
}

}  // namespace

SaveReport save(const Content& content, const std::filesystem::path& path, const SaveOptions& options) {
  try {
    return translated(ErrorCode::io, [&] { return save_checked(content, path, options); });
  } catch (const Error& error) {
    throw error.in(path.native());
  }
}

SaveReport save(const StateDict& state_dict, const std::filesystem::path& path, const SaveOptions& options) {
  return save(Content(state_dict), path, options);
}

}  // namespace torchferry
