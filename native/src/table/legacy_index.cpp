#include <torchferry/error.h>

#include <algorithm>
#include <map>

#include "base/checked.h"
#include "container/little_endian.h"
#include "table/content.h"
#include "table/content_index.h"
#include "table/file_pickle.h"
#include "table/rebuild.h"

// The legacy file: magic number, protocol version, system info, object, storage keys (a pickle each), then for each
// key in that order a count of elements (i64) and the bytes.

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

/// Bytes of an element by storage key, from the persistent ids of the object.
std::map<std::string, std::size_t, std::less<>> element_sizes(const Tree& tree) {
  std::map<std::string, std::size_t, std::less<>> sizes;
  for (NodeId node = 0; node < tree.size(); ++node) {
    if (tree.kind(node) != Kind::persistent) continue;
    const NodeId id = tree.items(node)[0];
    if (tree.kind(id) != Kind::tuple || tree.items(id).size() < 5) continue;
    const auto fields = tree.items(id);
    if (tree.kind(fields[1]) != Kind::global) continue;
    const auto type = storage_class(tree.qualified_name(fields[1]));
    if (type) sizes.emplace(key_text(tree, fields[2]), itemsize(type->dtype));
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

void require_preamble(const FilePickle& magic, const FilePickle& version, std::uint64_t version_start) {
  const bool known = magic.tree.kind(magic.tree.root()) == Kind::big_integer &&
                     magic.tree.text(magic.tree.root()) == kMagic;
  if (!known) corrupt_at(0, "Invalid magic number; corrupt file?");
  const NodeId root = version.tree.root();
  if (version.tree.kind(root) != Kind::integer) corrupt_at(version_start, "the protocol version is not a number");
  if (version.tree.integer(root) != kProtocolVersion) {
    throw Error(ErrorCode::unsupported, {}, kRecord, version_start,
                "Invalid protocol version: " + std::to_string(version.tree.integer(root)));
  }
}

/// Walks the payloads in the order of the key list.
void locate_storages(Checkpoint::State& state, const FilePickle& object, const FilePickle& keys,
                     LegacyStorages& storages) {
  const ByteSource& source = *state.source;
  const auto sizes = element_sizes(object.tree);
  const NodeId list = keys.tree.root();
  if (keys.tree.kind(list) != Kind::list) corrupt_at(object.end, "the list of storage keys is not a list");
  std::uint64_t at = keys.end;
  for (const NodeId node : keys.tree.items(list)) {
    const std::string key = key_text(keys.tree, node);
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
    storages.add(state.names.add({}, key, false), at + 8, *nbytes);
    at += 8 + *nbytes;
  }
}

}  // namespace

void read_legacy_index(Checkpoint::State& state) {
  const ByteSource& source = *state.source;
  const Limits& limits = state.options.limits;
  state.format = Format::legacy;
  const PickleStretch file{source, source.size(), kRecord, 0, kFirstRead};
  const FilePickle magic = read_file_pickle(file, 0, limits);
  const FilePickle version = read_file_pickle(file, magic.end, limits);
  require_preamble(magic, version, magic.end);
  // Says nothing that the bytes depend on: storages are little-endian whatever the machine was.
  const FilePickle system = read_file_pickle(file, version.end, limits);
  FilePickle object = read_file_pickle(file, system.end, limits);
  const FilePickle keys = read_file_pickle(file, object.end, limits);
  LegacyStorages storages;
  locate_storages(state, object, keys, storages);
  state.pickle_start = system.end;
  state.pickle = std::move(object.bytes);
  state.tree = std::move(object.tree);
  read_content(state, storages, storages.slots(), false);
}

}  // namespace torchferry
