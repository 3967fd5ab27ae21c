#include <torchferry/error.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/parallel.h"
#include "table/content_index.h"
#include "table/folder.h"
#include "table/reading_threads.h"
#include "table/shard_list.h"
#include "table/table_builder.h"
#include "table/value_content.h"

namespace torchferry {
namespace {

using States = std::vector<std::unique_ptr<Checkpoint::State>>;

/// A tensor that the index lists for the file, to be named in errors about it.
std::string user_of(const ShardList& list, std::size_t shard) {
  const auto user = std::find_if(list.tensors.begin(), list.tensors.end(),
                                 [&](const ShardList::Listed& listed) { return listed.shard == shard; });
  return "tensor '" + std::string(user->key) + "' and what else is in its file: ";
}

States open_shards(const Checkpoint::State& state, const ShardList& list) {
  const Folder folder(state.path, state.source->name());
  States shards(list.shards.size());
  const auto open_shard = [&](std::size_t i) {
    std::shared_ptr<const ByteSource> source;
    try {
      source = folder.open(list.shards[i]);
    } catch (const Error& error) {
      if (!error.file().empty()) throw;
      throw Error(error.code(), user_of(list, i) + error.message());
    }
    shards[i] = read_lone_file(std::move(source), state.options);
  };
  for_each_parallel(shards.size(), reading_threads(state.options.limits), open_shard);
  return shards;
}

/// Puts the tables of the shards together and finds the listed tensors in them.
class Merger {
 public:
  Merger(Checkpoint::State& state, const ShardList& list)
      : state_(state), list_(list), builder_(state.options.limits), rows_(list.tensors.size(), kNone) {
    numbers_.reserve(list.tensors.size());
    for (std::size_t i = 0; i < list.tensors.size(); ++i) numbers_.emplace(list.tensors[i].key, i);
  }

  void add(std::uint32_t number, Checkpoint::State& shard) {
    const std::uint32_t first = builder_.append(shard.table, [&](StorageRow& row) {
      row.key = state_.names.add(list_.shards[number] + "/", row.key, false);
      row.file = number;
    });
    for (const Entry& entry : shard.entries) find(entry.key, number, first + entry.tensor);
    state_.files.push_back({std::move(shard.source), std::move(shard.archive)});
    for (std::string& name : opaque_globals_of(shard)) opaque_.push_back(std::move(name));
  }

  void finish() && {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const auto& [key, shard] = list_.tensors[i];
      if (rows_[i] == kNone) {
        throw Error(ErrorCode::corrupt,
                    "tensor '" + std::string(key) + "' is not in '" + list_.shards[shard] + "', where the index has it");
      }
      state_.entries.push_back({key, rows_[i]});
    }
    std::sort(opaque_.begin(), opaque_.end());
    opaque_.erase(std::unique(opaque_.begin(), opaque_.end()), opaque_.end());
    state_.opaque_globals = std::move(opaque_);
    state_.table = std::move(builder_).finish();
    state_.flat_root = dict_of(state_.entries);
  }

 private:
  void find(std::string_view key, std::uint32_t shard, std::uint32_t row) {
    const auto listed = numbers_.find(key);
    if (listed == numbers_.end()) return;
    const std::uint32_t expected = list_.tensors[listed->second].shard;
    if (expected != shard) {
      throw Error(ErrorCode::corrupt, "tensor '" + std::string(key) + "' is in '" + list_.shards[expected] +
                                          "', where the index has it, and in '" + list_.shards[shard] +
                                          "' too; programs disagree on which of the two is meant");
    }
    std::uint32_t& found = rows_[listed->second];
    if (found != kNone && found != row) {
      throw Error(ErrorCode::corrupt,
                  "two tensors of '" + list_.shards[shard] + "' have the name '" + std::string(key) + "'");
    }
    found = row;
  }

  Checkpoint::State& state_;
  const ShardList& list_;
  TableBuilder builder_;
  std::unordered_map<std::string_view, std::size_t> numbers_;
  std::vector<std::uint32_t> rows_;  // by number of the listed tensor
  std::vector<std::string> opaque_;
};

}  // namespace

void read_sharded_index(Checkpoint::State& state) {
  state.format = Format::sharded;
  const ShardList list = read_shard_list(*state.source, state.names, state.options.limits);
  if (state.path.empty()) {
    throw Error(ErrorCode::unsupported,
                "an index of shards in memory: open it by its path, because the shards lie beside it");
  }
  States shards = open_shards(state, list);
  Merger merger(state, list);
  for (std::uint32_t i = 0; i < shards.size(); ++i) merger.add(i, *shards[i]);
  std::move(merger).finish();
  state.flat_metadata = list.metadata;
}

}  // namespace torchferry
