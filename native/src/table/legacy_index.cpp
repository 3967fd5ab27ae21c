#include <torchferry/deep_stack.h>
#include <torchferry/error.h>

#include <algorithm>
#include <map>

#include "base/checked.h"
#include "container/little_endian.h"
#include "container/sniff.h"
#include "table/content.h"
#include "table/content_index.h"
#include "table/file_pickle.h"
#include "table/rebuild.h"

// A save of the legacy format: magic number, protocol version, system info, object, storage keys (a pickle each), then for each
// key in that order a count of elements (i64) and the bytes. A file that stayed open may hold several, one after the
// other.

namespace torchferry {
namespace {

using pickle::Kind;

constexpr std::string_view kMagic = "\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19";
constexpr std::int64_t kProtocolVersion = 1001;
constexpr std::size_t kFirstRead = 64 << 10;
constexpr const char* kRecord = "legacy file";

[[noreturn]] void corrupt_at(std::uint64_t offset, std::string message) {
  // The place is in the file: naming it here keeps the caller from taking it for an offset in a pickle.
  throw Error(ErrorCode::corrupt, {}, kRecord, offset, std::move(message));
}

std::string storage_key(const Tree& tree, NodeId node, std::uint64_t near) {
  const Kind kind = tree.kind(node);
  if (kind == Kind::string || kind == Kind::integer || kind == Kind::bytes) return key_text(tree, node);
  corrupt_at(near, "a storage key is neither text nor a number");
}

/// Bytes of an element by storage key, from the persistent ids of the object.
std::map<std::string, std::size_t, std::less<>> element_sizes(const FilePickle& object) {
  const Tree& tree = object.tree;
  std::map<std::string, std::size_t, std::less<>> sizes;
  for (NodeId node = 0; node < tree.size(); ++node) {
    if (tree.kind(node) != Kind::persistent) continue;
    const NodeId id = tree.items(node)[0];
    if (tree.kind(id) != Kind::tuple || tree.items(id).size() < 5) continue;
    const auto fields = tree.items(id);
    if (tree.kind(fields[1]) != Kind::global) continue;
    const auto type = storage_class(tree.qualified_name(fields[1]));
    if (type) sizes.emplace(storage_key(tree, fields[2], object.end), itemsize(type->dtype));
  }
  return sizes;
}

class LegacyStorages : public StorageDirectory {
 public:
  std::size_t slots() const override { return payloads_.size(); }
  std::optional<Payload> find(std::string_view key) const override {
    const auto found = slot_by_key_.find(key);
    if (found == slot_by_key_.end()) return std::nullopt;
    return payloads_[found->second];
  }

  void add(std::string_view key, std::uint64_t file_offset, std::uint64_t nbytes) {
    const auto slot = static_cast<std::uint32_t>(payloads_.size());
    if (!slot_by_key_.emplace(key, slot).second) {
      corrupt_at(file_offset, "storage key '" + std::string(key) + "' is listed twice");
    }
    payloads_.push_back({slot, kNone, file_offset, nbytes, nbytes, 0, false, key});
  }

 private:
  std::vector<Payload> payloads_;
  std::map<std::string_view, std::uint32_t> slot_by_key_;
};

void require_preamble(const FilePickle& magic, const FilePickle& version, std::uint64_t magic_start,
                      std::uint64_t version_start) {
  const bool known = magic.tree.kind(magic.tree.root()) == Kind::big_integer &&
                     magic.tree.text(magic.tree.root()) == kMagic;
  if (!known) corrupt_at(magic_start, "Invalid magic number; corrupt file?");
  const NodeId root = version.tree.root();
  if (version.tree.kind(root) != Kind::integer) corrupt_at(version_start, "the protocol version is not a number");
  if (version.tree.integer(root) != kProtocolVersion) {
    throw Error(ErrorCode::unsupported, {}, kRecord, version_start,
                "Invalid protocol version: " + std::to_string(version.tree.integer(root)));
  }
}

/// One save of a file.
struct Save {
  std::uint64_t object_start;
  FilePickle object;
  LegacyStorages storages;
  std::uint64_t end;  ///< where the next one would start
};

/// Walks the payloads in the order of the key list; gives where they end.
std::uint64_t locate_storages(const ByteSource& source, const FilePickle& object, const FilePickle& keys,
                              NameArena& names, LegacyStorages& storages) {
  const auto sizes = element_sizes(object);
  const NodeId list = keys.tree.root();
  if (keys.tree.kind(list) != Kind::list) corrupt_at(object.end, "the list of storage keys is not a list");
  std::uint64_t at = keys.end;
  for (const NodeId node : keys.tree.items(list)) {
    const std::string key = storage_key(keys.tree, node, at);
    const auto size = sizes.find(key);
    if (size == sizes.end()) corrupt_at(at, "storage key '" + key + "' is listed but nothing refers to it");
    std::byte count[8];
    if (!range_within(at, sizeof count, source.size())) corrupt_at(at, "the file ends before storage '" + key + "'");
    source.read_at(at, count);
    const auto nbytes = checked_mul(load_u64(count), size->second);
    if (!nbytes || !range_within(at + 8, *nbytes, source.size())) {
      corrupt_at(at, "storage '" + key + "' of " + std::to_string(load_u64(count)) +
                         " elements passes the end of the file: it was cut, or the count is wrong");
    }
    storages.add(names.add({}, key, false), at + 8, *nbytes);
    at += 8 + *nbytes;
  }
  return at;
}

Save read_save(const ByteSource& source, std::uint64_t start, NameArena& names, const Limits& limits) {
  const PickleStretch file{source, source.size(), kRecord, 0, kFirstRead};
  const FilePickle magic = read_file_pickle(file, start, limits);
  const FilePickle version = read_file_pickle(file, magic.end, limits);
  require_preamble(magic, version, start, magic.end);
  // Says nothing that the bytes depend on: storages are little-endian whatever the machine was.
  const FilePickle system = read_file_pickle(file, version.end, limits);
  Save save{system.end, read_file_pickle(file, system.end, limits), {}, 0};
  const FilePickle keys = read_file_pickle(file, save.object.end, limits);
  save.end = locate_storages(source, save.object, keys, names, save.storages);
  return save;
}

/// Where the save behind one that has to be passed over starts. Nothing of that one is walked: it may be as deep as it
/// likes.
std::uint64_t end_of_save(const ByteSource& source, std::uint64_t start, Limits limits) {
  limits.depth = kMostDepth;
  NameArena names;
  return read_save(source, start, names, limits).end;
}

}  // namespace

void read_legacy_index(Checkpoint::State& state) {
  const ByteSource& source = *state.source;
  const Limits& limits = state.options.limits;
  state.format = Format::legacy;
  std::uint64_t start = 0;
  for (std::uint64_t passed = 0; passed < state.options.save_index; ++passed) {
    start = end_of_save(source, start, limits);
    if (starts_legacy_save(source, start)) continue;
    throw Error(ErrorCode::invalid_argument, "there is no save " + std::to_string(state.options.save_index) +
                                                 ": the file holds " + std::to_string(passed + 1) +
                                                 ", counted from 0");
  }
  Save save = read_save(source, start, state.names, limits);
  state.pickle_start = save.object_start;
  state.pickle = std::move(save.object.bytes);
  state.tree = std::move(save.object.tree);
  state.save_end = save.end;
  read_content(state, save.storages, save.storages.slots(), false);
}

std::uint64_t count_legacy_saves(const Checkpoint::State& state) {
  std::uint64_t count = state.options.save_index + 1;
  for (std::uint64_t at = state.save_end; starts_legacy_save(*state.source, at); ++count) {
    try {
      at = end_of_save(*state.source, at, state.options.limits);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::io) throw;
      return count + 1;
    }
  }
  return count;
}

}  // namespace torchferry
