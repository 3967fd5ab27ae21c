#include <torchferry/error.h>

#include <algorithm>
#include <bit>
#include <map>
#include <string>
#include <vector>

#include "base/checked.h"
#include "base/limit_error.h"
#include "container/little_endian.h"
#include "container/tar_archive.h"
#include "table/content.h"
#include "table/content_index.h"
#include "table/file_pickle.h"
#include "table/rebuild.h"

// The tar archive of PyTorch 0.1. Member "storages": a count, then for each storage a pickle (key, location, class),
// a count of elements (i64) and the bytes; then a pickled list of views (key, key of the root, offset, elements).
// Member "tensors": a count, then for each tensor a pickle (key, key of its storage, class), the number of dimensions
// (i32, four bytes unused), sizes, strides and offset (i64). Member "pickle": the object; its persistent ids are keys.

namespace torchferry {
namespace {

using pickle::Kind;

constexpr std::size_t kFirstRead = 256;

/// A storage of the file, or a part of one that the file gives a key of its own.
struct TarStorage {
  std::uint32_t slot;
  DType dtype;
  std::uint64_t first_byte;
  std::uint64_t nbytes;
};

struct TarTensor {
  TarStorage storage;
  std::int64_t storage_offset;
  std::uint32_t first_size;  ///< into the pool of dimensions: sizes, then strides
  std::uint32_t dim;
};

class TarStorages : public StorageDirectory {
 public:
  explicit TarStorages(NameArena& names) : names_(names) {}

  std::size_t slots() const override { return payloads_.size(); }
  bool lists_tensors() const noexcept override { return true; }

  std::optional<Payload> find(std::string_view key) const override {
    const auto found = storages_.find(key);
    if (found == storages_.end()) return std::nullopt;
    return payloads_[found->second.slot];
  }

  std::optional<Listed> listed(std::string_view key) const override {
    const auto found = tensors_.find(key);
    if (found == tensors_.end()) return std::nullopt;
    const TarTensor& tensor = found->second;
    const std::span<const std::int64_t> dims = std::span(dims_).subspan(tensor.first_size, 2 * std::size_t{tensor.dim});
    const TarStorage& part = tensor.storage;
    return Listed{payloads_[part.slot], locations_[part.slot], part.dtype,           part.first_byte,
                  part.nbytes,          tensor.storage_offset, dims.first(tensor.dim), dims.subspan(tensor.dim)};
  }

  const TarStorage* storage(std::string_view key) const {
    const auto found = storages_.find(key);
    return found == storages_.end() ? nullptr : &found->second;
  }
  bool is_new(const std::string& key) const { return !storages_.contains(key) && !tensors_.contains(key); }

  void add_storage(const std::string& key, std::string location, DType dtype, std::uint64_t offset,
                   std::uint64_t nbytes) {
    const auto slot = static_cast<std::uint32_t>(payloads_.size());
    payloads_.push_back({slot, kNone, offset, nbytes, nbytes, 0, false, names_.add({}, key, false)});
    locations_.push_back(std::move(location));
    storages_.emplace(key, TarStorage{slot, dtype, 0, nbytes});
  }
  void add_part(const std::string& key, const TarStorage& part) { storages_.emplace(key, part); }
  void add_tensor(const std::string& key, TarTensor tensor, std::span<const std::int64_t> dims) {
    tensor.first_size = static_cast<std::uint32_t>(dims_.size());
    dims_.insert(dims_.end(), dims.begin(), dims.end());
    tensors_.emplace(key, tensor);
  }
  std::size_t tensors() const noexcept { return tensors_.size(); }

 private:
  NameArena& names_;
  std::vector<Payload> payloads_;
  std::vector<std::string> locations_;
  std::map<std::string, TarStorage, std::less<>> storages_;
  std::map<std::string, TarTensor, std::less<>> tensors_;
  std::vector<std::int64_t> dims_;
};

/// Reads pickles and numbers of one member, one after the other.
class MemberReader {
 public:
  MemberReader(const ByteSource& source, const TarMember& member, const char* record, const Limits& limits)
      : stretch_{source, member.offset + member.size, record, member.offset, kFirstRead},
        limits_(limits),
        at_(member.offset) {}

  [[noreturn]] void fail(std::string message, ErrorCode code = ErrorCode::corrupt) const {
    throw Error(code, {}, stretch_.record, at_ - stretch_.origin, std::move(message));
  }

  FilePickle pickle() {
    FilePickle part = read_file_pickle(stretch_, at_, limits_);
    at_ = part.end;
    return part;
  }

  /// A pickled count of what follows, at most `most`, which is the limit of that name.
  std::uint64_t count(const char* what, std::uint64_t most, const char* limit) {
    const FilePickle part = pickle();
    const NodeId root = part.tree.root();
    if (part.tree.kind(root) != Kind::integer || part.tree.integer(root) < 0) {
      fail(std::string("the number of ") + what + " is not a number");
    }
    const auto number = static_cast<std::uint64_t>(part.tree.integer(root));
    if (number > most) {
      fail(over_limit(std::to_string(number) + " " + what, limit, most), ErrorCode::limit_exceeded);
    }
    return number;
  }

  std::int64_t i64() { return std::bit_cast<std::int64_t>(load_u64(take(8).data())); }
  /// The number of dimensions, which takes eight bytes of which four count.
  std::uint32_t dimensions() {
    const std::uint32_t dim = load_u32(take(8).data());
    if (dim <= limits_.dimensions) return dim;
    const std::string what = "a tensor of " + std::to_string(std::bit_cast<std::int32_t>(dim)) + " dimensions";
    if (static_cast<std::int32_t>(dim) < 0) fail(what);
    fail(over_limit(what, "dimensions", limits_.dimensions), ErrorCode::limit_exceeded);
  }

  /// Passes over bytes; where they start in the file.
  std::uint64_t skip(std::uint64_t bytes, const std::string& what) {
    if (bytes > stretch_.end - at_) fail(what + " passes the end of its member: it was cut, or the count is wrong");
    const std::uint64_t start = at_;
    at_ += bytes;
    return start;
  }

  void finish() const {
    if (at_ != stretch_.end) fail("bytes that belong to nothing");
  }

 private:
  std::span<const std::byte> take(std::size_t size) {
    const std::uint64_t start = skip(size, "a number");
    stretch_.source.read_at(start, std::span(number_).first(size));
    return std::span(number_).first(size);
  }

  const PickleStretch stretch_;
  const Limits& limits_;
  std::uint64_t at_;
  std::byte number_[8];
};

/// The elements of a pickled tuple of that many.
std::span<const NodeId> fields(const MemberReader& member, const Tree& tree, NodeId node, std::size_t count,
                               const char* what) {
  const Kind kind = tree.kind(node);
  if ((kind != Kind::tuple && kind != Kind::list) || tree.items(node).size() != count) {
    member.fail(std::string(what) + " is not described by " + std::to_string(count) + " values");
  }
  return tree.items(node);
}

std::string key_of(const MemberReader& member, const Tree& tree, NodeId node) {
  const Kind kind = tree.kind(node);
  if (kind != Kind::integer && kind != Kind::string && kind != Kind::big_integer) member.fail("a key is not a number");
  return key_text(tree, node);
}

std::string new_key(const MemberReader& member, const TarStorages& storages, const Tree& tree, NodeId node) {
  std::string key = key_of(member, tree, node);
  if (!storages.is_new(key)) member.fail("key '" + key + "' is there twice");
  return key;
}

void read_storage(MemberReader& member, TarStorages& storages) {
  const FilePickle part = member.pickle();
  const Tree& tree = part.tree;
  const auto about = fields(member, tree, tree.root(), 3, "a storage");
  const std::string key = new_key(member, storages, tree, about[0]);
  if (tree.kind(about[1]) != Kind::string) member.fail("the location of storage '" + key + "' is not a string");
  const bool named = tree.kind(about[2]) == Kind::global;
  const auto type = named ? storage_class(tree.qualified_name(about[2])) : std::nullopt;
  if (!type || type->untyped) {
    member.fail("unknown storage class " + (named ? std::string(tree.qualified_name(about[2])) : "(not a name)"),
                ErrorCode::unsupported);
  }
  const std::int64_t count = member.i64();
  const auto nbytes = checked_mul(static_cast<std::uint64_t>(count), itemsize(type->dtype));
  if (count < 0 || !nbytes) member.fail("storage '" + key + "' of " + std::to_string(count) + " elements");
  const std::uint64_t start = member.skip(*nbytes, "storage '" + key + "'");
  storages.add_storage(key, std::string(tree.text(about[1])), type->dtype, start, *nbytes);
}

void read_storages(MemberReader& member, TarStorages& storages, const Limits& limits) {
  const std::uint64_t count = member.count("storages", limits.records, "records");
  for (std::uint64_t i = 0; i < count; ++i) read_storage(member, storages);
  const FilePickle part = member.pickle();
  const Tree& tree = part.tree;
  if (tree.kind(tree.root()) != Kind::list) member.fail("the list of storage views is not a list");
  for (const NodeId view : tree.items(tree.root())) {
    const auto about = fields(member, tree, view, 4, "a view of a storage");
    const std::string key = new_key(member, storages, tree, about[0]);
    const TarStorage* const root = storages.storage(key_of(member, tree, about[1]));
    if (root == nullptr) member.fail("view '" + key + "' of a storage that is not there");
    if (tree.kind(about[2]) != Kind::integer || tree.kind(about[3]) != Kind::integer) {
      member.fail("the range of view '" + key + "' is not given by numbers");
    }
    const std::uint64_t width = itemsize(root->dtype);
    const auto first = checked_mul(static_cast<std::uint64_t>(tree.integer(about[2])), width);
    const auto length = checked_mul(static_cast<std::uint64_t>(tree.integer(about[3])), width);
    if (!first || !length || !range_within(*first, *length, root->nbytes)) {
      member.fail("view '" + key + "' lies outside its storage");
    }
    storages.add_part(key, {root->slot, root->dtype, root->first_byte + *first, *length});
  }
  member.finish();
}

void read_tensors(MemberReader& member, TarStorages& storages, const Limits& limits) {
  const std::uint64_t count = member.count("tensors", limits.tensors, "tensors");
  std::vector<std::int64_t> dims;
  for (std::uint64_t i = 0; i < count; ++i) {
    const FilePickle part = member.pickle();
    const auto about = fields(member, part.tree, part.tree.root(), 3, "a tensor");
    const std::string key = new_key(member, storages, part.tree, about[0]);
    const TarStorage* const storage = storages.storage(key_of(member, part.tree, about[1]));
    if (storage == nullptr) member.fail("tensor '" + key + "' of a storage that is not there");
    const std::uint32_t dim = member.dimensions();
    dims.clear();
    for (std::uint32_t d = 0; d < 2 * dim; ++d) dims.push_back(member.i64());
    storages.add_tensor(key, {*storage, member.i64(), 0, dim}, dims);
  }
  member.finish();
}

const TarMember& member_named(const std::vector<TarMember>& members, const char* name) {
  const auto found = std::find_if(members.begin(), members.end(), [&](const TarMember& one) { return one.name == name; });
  if (found != members.end()) return *found;
  throw Error(ErrorCode::corrupt, {}, kTarRecord, std::nullopt,
              std::string("a tar archive without '") + name + "': not a PyTorch checkpoint");
}

}  // namespace

void read_tar_index(Checkpoint::State& state) {
  const ByteSource& source = *state.source;
  const Limits& limits = state.options.limits;
  state.format = Format::tar;
  const std::vector<TarMember> members = read_tar_directory(source, limits);
  TarStorages storages(state.names);
  MemberReader storage_member(source, member_named(members, "storages"), "storages", limits);
  read_storages(storage_member, storages, limits);
  MemberReader tensor_member(source, member_named(members, "tensors"), "tensors", limits);
  read_tensors(tensor_member, storages, limits);
  MemberReader object_member(source, member_named(members, "pickle"), "pickle", limits);
  FilePickle object = object_member.pickle();
  object_member.finish();
  state.pickle_record = "pickle";
  state.pickle = std::move(object.bytes);
  state.tree = std::move(object.tree);
  read_content(state, storages, storages.tensors(), false);
}

}  // namespace torchferry
