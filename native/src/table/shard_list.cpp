#include "table/shard_list.h"

#include <torchferry/error.h>

#include <unordered_map>
#include <unordered_set>

#include "base/limit_error.h"
#include "table/json_value.h"

namespace torchferry {
namespace {

[[noreturn]] void exceed(std::uint64_t offset, const char* what, const char* limit, std::uint64_t allowed) {
  throw Error(ErrorCode::limit_exceeded, {}, {}, offset, over_limit(what, limit, allowed));
}

std::string text_of(const ByteSource& source) {
  std::string text(source.size(), '\0');
  source.read_at(0, std::as_writable_bytes(std::span(text)));
  if (text.starts_with("\xEF\xBB\xBF")) text.replace(0, 3, 3, ' ');
  return text;
}

class Reader {
 public:
  Reader(std::string_view text, NameArena& names, const Limits& limits) : json_(text), names_(names), limits_(limits) {}

  ShardList run() {
    bool has_map = false;
    bool has_metadata = false;
    std::string field;
    json_.enter_object();
    while (json_.next_key(field)) {
      if (field == "weight_map") {
        once(has_map, field);
        read_map();
      } else if (field == "metadata") {
        once(has_metadata, field);
        list_.metadata = read_json_value(json_, limits_);
      } else {
        json_.skip_value();
      }
    }
    json_.finish();
    if (!has_map) {
      throw Error(ErrorCode::unsupported, "a JSON file, but no index of shards: it has no \"weight_map\"");
    }
    return std::move(list_);
  }

 private:
  void once(bool& seen, const std::string& field) {
    if (seen) json_.fail("\"" + field + "\" stands twice");
    seen = true;
  }

  void read_map() {
    if (json_.next() != '{') json_.fail("\"weight_map\" is not an object");
    std::string key;
    std::unordered_set<std::string_view> keys;
    json_.enter_object();
    while (json_.next_key(key)) {
      if (list_.tensors.size() >= limits_.tensors) {
        exceed(json_.offset(), "the index lists too many tensors", "tensors", limits_.tensors);
      }
      if (names_.bytes() + key.size() > limits_.name_bytes) {
        exceed(json_.offset(), "the names of the tensors are too long", "name_bytes", limits_.name_bytes);
      }
      if (json_.next() != '"') json_.fail("the file of tensor '" + key + "' is not a string");
      const std::string_view kept = names_.add({}, key, false);
      if (!keys.insert(kept).second) json_.fail("tensor '" + key + "' stands twice");
      list_.tensors.push_back({kept, shard(json_.string())});
    }
  }

  std::uint32_t shard(std::string name) {
    const auto known = numbers_.find(name);
    if (known != numbers_.end()) return known->second;
    if (list_.shards.size() >= limits_.records) {
      exceed(json_.offset(), "the index lists too many files", "records", limits_.records);
    }
    const auto number = static_cast<std::uint32_t>(list_.shards.size());
    list_.shards.push_back(name);
    numbers_.emplace(std::move(name), number);
    return number;
  }

  JsonReader json_;
  NameArena& names_;
  const Limits& limits_;
  ShardList list_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
};

}  // namespace

ShardList read_shard_list(const ByteSource& source, NameArena& names, const Limits& limits) {
  if (source.size() > limits.directory_bytes) {
    exceed(0, "the index of shards is too long", "directory_bytes", limits.directory_bytes);
  }
  const std::string text = text_of(source);
  return Reader(text, names, limits).run();
}

bool lists_shards(const ByteSource& source) {
  const std::string text = text_of(source);
  JsonReader json(text);
  std::string field;
  json.enter_object();
  while (json.next_key(field)) {
    if (field == "weight_map") return json.next() == '{';
    json.skip_value();
  }
  return false;
}

}  // namespace torchferry
