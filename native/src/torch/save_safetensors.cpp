#include "torch/save_safetensors.h"

#include <torchferry/error.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_set>

#include "base/checked.h"
#include "torch/save_storages.h"

namespace torchferry {
namespace {

[[noreturn]] void refuse(const std::string& key, const std::string& what) {
  throw Error(ErrorCode::unsupported,
              "tensor '" + key + "': safetensors has no " + what + "; convert it, or save a zip file");
}

SafetensorsEntry entry_of(const std::string& key, const at::Tensor& tensor, std::size_t index) {
  if (tensor.is_nested()) refuse(key, "nested tensors");
  if (tensor.layout() != c10::kStrided) refuse(key, "sparse tensors");
  if (tensor.is_meta()) refuse(key, "tensors without bytes, as those on the meta device are");
  const auto dtype = dtype_numbered(static_cast<int>(tensor.scalar_type()));
  if (!dtype) refuse(key, std::string("dtype ") + c10::toString(tensor.scalar_type()));
  const auto nbytes = checked_mul(static_cast<std::uint64_t>(tensor.numel()), itemsize(*dtype));
  if (!nbytes) refuse(key, "tensors of so many bytes");
  if (tensor._is_zerotensor()) {
    refuse(key, "form for a tensor that stands for zeros without having them; save a clone of it");
  }
  if (tensor.has_storage()) {
    try {
      SavedStorages::require_elements(tensor);
    } catch (const Error& error) {
      throw Error(error.code(), "tensor '" + key + "': " + error.message());
    }
  }
  return {key, *dtype, tensor.sizes().vec(), *nbytes, index};
}

class SafetensorsFile final : public SavedFile {
 public:
  SafetensorsFile(std::vector<SafetensorsEntry> entries, std::vector<at::Tensor> tensors, std::string header)
      : entries_(std::move(entries)), tensors_(std::move(tensors)), header_(std::move(header)) {}

  std::uint64_t tensor_bytes() const override {
    std::uint64_t total = 0;
    for (const SafetensorsEntry& entry : entries_) total += entry.nbytes;
    return total;
  }
  std::uint64_t other_bytes() const override { return header_.size(); }

  void write(ByteSink& file, StorageStream& stream) const override {
    file.write(std::as_bytes(std::span(header_.data(), header_.size())));
    for (const at::Tensor& tensor : tensors_) stream.elements(file, tensor);
  }

 private:
  const std::vector<SafetensorsEntry> entries_;
  const std::vector<at::Tensor> tensors_;  ///< in the order of the entries
  const std::string header_;
};

}  // namespace

SafetensorsContent::SafetensorsContent(const Content& content, const SaveOptions& options)
    : options_(options), flat_(content) {
  for (std::size_t i = 0; i < flat_.keys().size(); ++i) {
    entries_.push_back(entry_of(flat_.keys()[i], flat_.tensor(i), i));
  }
  std::vector<SafetensorsEntry> ordered = entries_;
  order_safetensors(ordered);  // refuses what cannot be written
  if (!options.repeat_shared) leave_out_repeated();
}

/// Of the names of one view the one that sorts first is kept, as safetensors.torch.save_model does.
void SafetensorsContent::leave_out_repeated() {
  using Sizes = std::vector<std::int64_t>;
  using View = std::tuple<const void*, std::int64_t, DType, Sizes, Sizes, bool, bool>;
  std::map<View, std::vector<std::size_t>> views;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const at::Tensor& tensor = flat_.tensor(i);
    if (!tensor.has_storage() || tensor.numel() == 0) continue;
    const View view{tensor.storage().unsafeGetStorageImpl(),
                    tensor.storage_offset(),
                    entries_[i].dtype,
                    tensor.sizes().vec(),
                    tensor.strides().vec(),
                    tensor.is_conj(),
                    tensor.is_neg()};
    views[view].push_back(i);
  }
  std::unordered_set<std::size_t> left_out;
  for (auto& [view, names] : views) {
    const auto by_name = [this](std::size_t a, std::size_t b) { return entries_[a].name < entries_[b].name; };
    const std::size_t kept = *std::min_element(names.begin(), names.end(), by_name);
    for (const std::size_t name : names) {
      if (name == kept) continue;
      repeated_.emplace_back(entries_[name].name, entries_[kept].name);
      left_out.insert(name);
    }
  }
  std::sort(repeated_.begin(), repeated_.end());
  std::erase_if(entries_, [&](const SafetensorsEntry& entry) { return left_out.contains(entry.index); });
}

ShardPlan SafetensorsContent::plan(const std::filesystem::path& path) const {
  std::vector<ShardGroup> groups;
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    groups.push_back({{i}, entries_[i].nbytes});
    keys.push_back(entries_[i].name);
  }
  return plan_shards(path, groups, keys, options_.max_shard_bytes);
}

std::unique_ptr<SavedFile> SafetensorsContent::file(std::span<const std::size_t> members) const {
  std::vector<SafetensorsEntry> entries;
  for (const std::size_t member : members) entries.push_back(entries_[member]);
  order_safetensors(entries);
  std::map<std::string, std::string> metadata = options_.metadata;
  std::unordered_set<std::string_view> here;
  for (const SafetensorsEntry& entry : entries) here.insert(entry.name);
  for (const auto& [name, kept] : repeated_) {
    if (here.contains(kept)) metadata.insert_or_assign(name, kept);
  }
  std::string header = safetensors_header(entries, metadata);
  std::vector<at::Tensor> tensors;
  for (const SafetensorsEntry& entry : entries) tensors.push_back(flat_.tensor(entry.index));
  return std::make_unique<SafetensorsFile>(std::move(entries), std::move(tensors), std::move(header));
}

}  // namespace torchferry
