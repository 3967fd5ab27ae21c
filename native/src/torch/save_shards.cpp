#include "torch/save_shards.h"

#include <torchferry/error.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <unordered_map>
#include <unordered_set>

#include "base/utf8.h"
#include "container/json_text.h"
#include "torch/compound.h"

namespace torchferry {
namespace {

using Kind = Value::Kind;

std::string numbered(std::size_t number) {
  const std::string digits = std::to_string(number);
  return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
}

/// "model.safetensors" -> "model-00001-of-00003.safetensors"
std::filesystem::path shard_path(const std::filesystem::path& path, std::size_t number, std::size_t count) {
  std::filesystem::path name = path.stem();
  name += "-" + numbered(number) + "-of-" + numbered(count);
  name += path.extension();
  return path.parent_path() / name;
}

/// As Hugging Face's libraries write it: sorted names, two spaces of indentation.
std::string index_text(const std::vector<Shard>& shards, const std::vector<std::string>& keys,
                       std::uint64_t total) {
  std::map<std::string_view, std::string> files;
  for (const Shard& shard : shards) {
    for (const std::size_t member : shard.members) {
      files.emplace(keys[member], shard.path.filename().native());
    }
  }
  std::string text = "{\n  \"metadata\": {\n    \"total_size\": " + std::to_string(total) +
                     "\n  },\n  \"weight_map\": {";
  bool first = true;
  for (const auto& [key, file] : files) {
    if (!is_strict_utf8(key) || !is_strict_utf8(file)) {
      throw Error(ErrorCode::invalid_argument,
                  "tensor '" + std::string(key) +
                      "': a shard index holds UTF-8 only; rename the tensor or the file");
    }
    text += std::exchange(first, false) ? "\n    " : ",\n    ";
    append_json_string(text, key);
    text += ": ";
    append_json_string(text, file);
  }
  return text + (first ? "" : "\n  ") + "}\n}\n";
}

class TextFile final : public SavedFile {
 public:
  explicit TextFile(std::string text) : text_(std::move(text)) {}
  std::uint64_t tensor_bytes() const override { return 0; }
  std::uint64_t other_bytes() const override { return text_.size(); }
  void write(ByteSink& file, StorageStream&) const override {
    file.write(std::as_bytes(std::span(text_.data(), text_.size())));
  }

 private:
  const std::string text_;
};

/// Sets of items that have become one.
class Unions {
 public:
  explicit Unions(std::size_t count) : parents_(count) {
    std::iota(parents_.begin(), parents_.end(), std::size_t{0});
  }
  std::size_t root(std::size_t item) {
    while (parents_[item] != item) item = parents_[item] = parents_[parents_[item]];
    return item;
  }
  /// The earlier item stands for both.
  void join(std::size_t a, std::size_t b) {
    a = root(a);
    b = root(b);
    parents_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<std::size_t> parents_;
};

[[noreturn]] void refuse_item(const std::string& place) {
  throw Error(ErrorCode::unsupported,
              "'" + place +
                  "' is not a tensor under a name, and files of this kind hold nothing else; save a part of the "
                  "content, or the whole as one zip file");
}

}  // namespace

std::filesystem::path ShardPlan::index_path(const std::filesystem::path& path) {
  std::filesystem::path index = path;
  index += ".index.json";
  return index;
}

ShardPlan plan_shards(const std::filesystem::path& path, const std::vector<ShardGroup>& groups,
                      const std::vector<std::string>& keys, std::optional<std::uint64_t> max_bytes) {
  ShardPlan plan;
  std::uint64_t total = 0;
  std::uint64_t filled = 0;
  for (const ShardGroup& group : groups) {
    const bool fits = !max_bytes || (group.nbytes <= *max_bytes && filled <= *max_bytes - group.nbytes);
    if (plan.shards.empty() || (filled != 0 && !fits)) {
      plan.shards.emplace_back();
      filled = 0;
    }
    auto& members = plan.shards.back().members;
    members.insert(members.end(), group.members.begin(), group.members.end());
    filled += group.nbytes;
    total += group.nbytes;
  }
  if (plan.shards.size() <= 1) {
    if (plan.shards.empty()) plan.shards.emplace_back();
    plan.shards.front().path = path;
  }
  for (std::size_t i = 0; i < plan.shards.size(); ++i) {
    Shard& shard = plan.shards[i];
    std::sort(shard.members.begin(), shard.members.end());
    if (plan.shards.size() > 1) shard.path = shard_path(path, i + 1, plan.shards.size());
  }
  if (plan.shards.size() > 1) plan.index = index_text(plan.shards, keys, total);
  return plan;
}

std::unique_ptr<SavedFile> index_file(std::string text) {
  return std::make_unique<TextFile>(std::move(text));
}

FlatContent::FlatContent(const Content& content) : content_(content) {
  const Content::Node& node = content.node();
  if (node.state_dict) {
    for (std::size_t i = 0; i < node.state_dict->size(); ++i) {
      keys_.emplace_back(node.state_dict->key(i));
      tensors_.push_back(node.state_dict->tensor(i));
    }
    return;
  }
  if (node.kind != Kind::dict) refuse_item("");
  std::unordered_set<std::string_view> seen;
  for (const auto& [key, held] : node.entries) {
    const bool named = key.node().kind == Kind::string;
    if (!named) refuse_item("(a key)");
    if (held.node().kind != Kind::tensor) refuse_item(key.node().text);
    if (!seen.insert(key.node().text).second) {
      throw Error(ErrorCode::invalid_argument, "two tensors have the name '" + key.node().text + "'");
    }
    keys_.push_back(key.node().text);
    tensors_.push_back(held.node().tensor);
  }
}

std::vector<ShardGroup> FlatContent::groups() const {
  Unions unions(tensors_.size());
  std::unordered_map<const void*, std::pair<std::size_t, std::uint64_t>> storages;  // first item, bytes
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (tensors_[i].is_meta()) continue;
    for (const at::Tensor& component : components_of(tensors_[i])) {
      const c10::Storage& storage = component.storage();
      const auto [known, is_new] =
          storages.try_emplace(storage.unsafeGetStorageImpl(), i, std::uint64_t{storage.nbytes()});
      if (!is_new) unions.join(known->second.first, i);
    }
  }
  std::map<std::size_t, ShardGroup> groups;
  for (std::size_t i = 0; i < tensors_.size(); ++i) groups[unions.root(i)].members.push_back(i);
  for (const auto& [storage, use] : storages) groups[unions.root(use.first)].nbytes += use.second;
  std::vector<ShardGroup> ordered;
  for (auto& [first, group] : groups) ordered.push_back(std::move(group));
  return ordered;
}

ShardPlan FlatContent::plan(const std::filesystem::path& path, std::uint64_t max_bytes) const {
  return plan_shards(path, groups(), keys_, max_bytes);
}

Content FlatContent::part(std::span<const std::size_t> members) const {
  const Content::Node& node = content_.node();
  if (members.size() == keys_.size()) return content_;
  if (node.state_dict) return Content(node.state_dict->select(members));
  Content::Node part = node;
  part.entries.clear();
  for (const std::size_t member : members) part.entries.push_back(node.entries[member]);
  return Content(std::move(part));
}

}  // namespace torchferry
