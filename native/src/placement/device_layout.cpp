#include "placement/device_layout.h"

#include <algorithm>

namespace torchferry {
namespace {

/// What may separate two storages of one run: the padding of a writer that aligns to pages, and a header.
constexpr std::uint64_t kMaxGap = 8192;

constexpr std::uint64_t align(std::uint64_t offset) {
  return (offset + kStorageAlignment - 1) / kStorageAlignment * kStorageAlignment;
}

/// Where the storage lies when it goes on as the run does; only its place relative to the run matters.
bool continues(const FileRun& run, const StoredRange& storage) {
  if (run.file != storage.file || storage.offset < run.offset + run.nbytes) return false;
  if (storage.offset - (run.offset + run.nbytes) > kMaxGap) return false;
  return (run.at + (storage.offset - run.offset)) % kStorageAlignment == 0;
}

}  // namespace

DeviceLayout lay_out(std::span<const StoredRange> storages) {
  DeviceLayout layout;
  layout.offsets.reserve(storages.size());
  for (const StoredRange& storage : storages) {
    if (storage.nbytes == 0) {
      layout.offsets.push_back(layout.nbytes);
      continue;
    }
    if (layout.runs.empty() || !continues(layout.runs.back(), storage)) {
      layout.runs.push_back({storage.file, storage.offset, align(layout.nbytes), 0});
    }
    FileRun& run = layout.runs.back();
    layout.offsets.push_back(run.at + (storage.offset - run.offset));
    run.nbytes = storage.offset + storage.nbytes - run.offset;
    layout.nbytes = run.at + run.nbytes;
  }
  return layout;
}

std::vector<FileRun> runs_within(const DeviceLayout& layout, std::uint64_t begin, std::uint64_t end) {
  std::vector<FileRun> parts;
  const auto ends_before = [](const FileRun& run, std::uint64_t place) { return run.at + run.nbytes <= place; };
  for (auto run = std::lower_bound(layout.runs.begin(), layout.runs.end(), begin, ends_before);
       run != layout.runs.end() && run->at < end; ++run) {
    const std::uint64_t from = std::max(begin, run->at);
    const std::uint64_t to = std::min(end, run->at + run->nbytes);
    parts.push_back({run->file, run->offset + (from - run->at), from, to - from});
  }
  return parts;
}

}  // namespace torchferry
