#include "table/distributed_metadata.h"

#include <torchferry/error.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/limit_error.h"
#include "table/assembly.h"
#include "table/content.h"
#include "table/torch_names.h"

namespace torchferry {

using pickle::Kind;

namespace {

bool is_class(const Tree& tree, NodeId node, std::string_view name) {
  return class_name(tree, node).starts_with("torch.distributed.") && class_name(tree, node).ends_with(name);
}

class MetadataReader {
 public:
  using Blob = DistributedMetadata::Blob;
  using Chunk = DistributedMetadata::Chunk;
  using Item = DistributedMetadata::Item;

  MetadataReader(const Tree& tree, NameArena& names, const Limits& limits) : tree_(tree), names_(names), limits_(limits) {}

  DistributedMetadata run() {
    const NodeId root = tree_.root();
    read_storage_data(required(root, "storage_data"));
    read_items(required(root, "state_dict_metadata"));
    read_paths(field(root, "planner_data"));
    return std::move(result_);
  }

 private:
  /// Where an item, or a chunk of one, is stored.
  struct Located {
    bool has_at = false;
    std::vector<std::int64_t> at;
    std::int64_t index = -1;
    Blob blob{};
  };

  /// Those without an offset first.
  static bool is_before(const Located& a, const Located& b) {
    return a.has_at != b.has_at ? b.has_at : a.at < b.at;
  }

  [[noreturn]] void exceed(NodeId node, const std::string& what, const char* limit, std::uint64_t allowed) const {
    fail(node, over_limit(what, limit, allowed), ErrorCode::limit_exceeded);
  }

  [[noreturn]] void fail(NodeId node, std::string message, ErrorCode code = ErrorCode::corrupt) const {
    throw Error(code, {}, {}, tree_.offset(node), std::move(message));
  }

  std::optional<NodeId> field(NodeId object, std::string_view name) const {
    if (tree_.kind(object) != Kind::object) return std::nullopt;
    for (const NodeId mapping : attribute_mappings(tree_, object)) {
      const auto found = mapping_get(tree_, mapping, name);
      if (found && tree_.kind(*found) != Kind::none) return found;
    }
    return std::nullopt;
  }

  NodeId required(NodeId object, const char* name) const {
    if (tree_.kind(object) != Kind::object) fail(object, std::string("a plain value where an object with ") + name + " belongs");
    const auto found = field(object, name);
    if (!found) fail(object, std::string(class_name(tree_, object)) + " lacks " + name);
    return *found;
  }

  std::int64_t integer(NodeId node, const char* what) const {
    if (tree_.kind(node) != Kind::integer) fail(node, std::string(what) + " is not an integer");
    return tree_.integer(node);
  }

  std::vector<std::int64_t> extents(NodeId node, const char* what) const {
    if (class_name(tree_, node) == "torch.Size") {
      const auto arguments = tree_.items(tree_.arguments(node));
      if (arguments.size() == 1) node = arguments[0];
    }
    if (tree_.kind(node) != Kind::tuple && tree_.kind(node) != Kind::list) fail(node, std::string(what) + " is no torch.Size");
    std::vector<std::int64_t> values;
    if (tree_.items(node).size() > limits_.dimensions) {
      exceed(node, std::string(what) + " of " + std::to_string(tree_.items(node).size()) + " dimensions", "dimensions",
             limits_.dimensions);
    }
    for (const NodeId item : tree_.items(node)) values.push_back(integer(item, what));
    return values;
  }

  std::string_view name_of(NodeId node) {
    if (tree_.kind(node) != Kind::string) fail(node, "the name of an item is not a string");
    const std::string_view name = tree_.text(node);
    if (names_.bytes() + name.size() > limits_.name_bytes) {
      exceed(node, "the names of the items are too long", "name_bytes", limits_.name_bytes);
    }
    return names_.add({}, name, false);
  }

  std::vector<NodePair> pairs_of(NodeId node, const char* what) const {
    if (!is_mapping(tree_, node)) fail(node, std::string(what) + " is not a dict");
    std::vector<NodePair> pairs = mapping_items(tree_, node);
    if (pairs.size() > limits_.tensors) {
      exceed(node, std::to_string(pairs.size()) + " items in " + what, "tensors", limits_.tensors);
    }
    return pairs;
  }

  void read_storage_data(NodeId node) {
    for (const auto& [key, info] : pairs_of(node, "storage_data")) {
      if (!is_class(tree_, key, ".MetadataIndex")) fail(key, "a key of storage_data is no MetadataIndex");
      const NodeId fqn = required(key, "fqn");
      if (tree_.kind(fqn) != Kind::string) fail(fqn, "the name of an item is not a string");
      Located located;
      if (const auto at = field(key, "offset")) {
        located.has_at = true;
        located.at = extents(*at, "the offset of a MetadataIndex");
      }
      if (const auto index = field(key, "index")) located.index = integer(*index, "the index of a MetadataIndex");
      located.blob = read_blob(info);
      located_[tree_.text(fqn)].push_back(std::move(located));
    }
    // Chunks are looked up by their offset; two at one offset would leave it open which is meant.
    for (auto& [fqn, all] : located_) {
      std::sort(all.begin(), all.end(), &is_before);
      for (std::size_t i = 1; i < all.size(); ++i) {
        if (all[i - 1].has_at && all[i].at == all[i - 1].at) fail(node, "two chunks of '" + std::string(fqn) + "' at one place");
      }
    }
  }

  Blob read_blob(NodeId info) {
    if (const auto transforms = field(info, "transform_descriptors")) {
      const Kind kind = tree_.kind(*transforms);
      if ((kind != Kind::list && kind != Kind::tuple) || !tree_.items(*transforms).empty()) {
        fail(info, "the files were written through an extension (compression or encryption); save without it",
             ErrorCode::unsupported);
      }
    }
    const NodeId path = required(info, "relative_path");
    if (tree_.kind(path) != Kind::string) fail(path, "the file of an item is not a string");
    const std::int64_t offset = integer(required(info, "offset"), "the offset of an item");
    const std::int64_t length = integer(required(info, "length"), "the length of an item");
    if (offset < 0 || length < 0) fail(info, "an item at a negative offset, or of negative length");
    return {file_number(tree_.text(path), path), static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(length)};
  }

  std::uint32_t file_number(std::string_view name, NodeId node) {
    const auto [known, is_new] = files_.emplace(name, static_cast<std::uint32_t>(result_.files.size()));
    if (is_new) {
      if (result_.files.size() >= limits_.records) {
        exceed(node, "the metadata lists too many files", "records", limits_.records);
      }
      result_.files.emplace_back(name);
    }
    return known->second;
  }

  void read_items(NodeId node) {
    for (const auto& [key, metadata] : pairs_of(node, "state_dict_metadata")) {
      Item item;
      item.name = name_of(key);
      if (!numbers_.emplace(item.name, result_.items.size()).second) fail(key, "an item stands twice");
      if (is_class(tree_, metadata, ".BytesStorageMetadata")) {
        read_value(item, metadata);
      } else if (is_class(tree_, metadata, ".TensorStorageMetadata")) {
        read_tensor(item, metadata);
      } else {
        fail(metadata, "'" + std::string(item.name) + "' is neither a tensor nor bytes");
      }
      result_.items.push_back(std::move(item));
    }
  }

  const std::vector<Located>& located(const Item& item, NodeId node) const {
    const auto found = located_.find(item.name);
    if (found == located_.end()) fail(node, "storage_data does not tell where '" + std::string(item.name) + "' is");
    return found->second;
  }

  void read_value(Item& item, NodeId node) {
    const auto& all = located(item, node);
    if (all.size() != 1) fail(node, "'" + std::string(item.name) + "' is stored in several places");
    item.blob = all[0].blob;
  }

  void read_tensor(Item& item, NodeId node) {
    read_properties(item, required(node, "properties"));
    item.size = extents(required(node, "size"), "the size of a tensor");
    std::uint64_t numel = 1;
    for (const std::int64_t extent : item.size) {
      if (extent < 0 || __builtin_mul_overflow(numel, static_cast<std::uint64_t>(extent), &numel) || numel >> 62 != 0) {
        fail(node, "the size of '" + std::string(item.name) + "' overflows or is negative");
      }
    }
    const NodeId list = required(node, "chunks");
    if (tree_.kind(list) != Kind::list && tree_.kind(list) != Kind::tuple) fail(list, "the chunks are not a list");
    const auto chunks = tree_.items(list);
    // Real metadata has objects of its own for each chunk: one list of chunks for many tensors is an attack.
    if ((chunks_ += chunks.size()) > tree_.size()) fail(list, "the chunks of several tensors are one list");
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      Chunk chunk;
      chunk.at = extents(required(chunks[i], "offsets"), "the offset of a chunk");
      chunk.size = extents(required(chunks[i], "sizes"), "the size of a chunk");
      item.chunks.push_back(std::move(chunk));
    }
    require_tiling(item, node);
    const auto is_empty = [](const Chunk& chunk) {
      return std::find(chunk.size.begin(), chunk.size.end(), 0) != chunk.size.end();
    };
    for (std::size_t i = 0; i < item.chunks.size(); ++i) {
      if (!is_empty(item.chunks[i])) item.chunks[i].blob = blob_of(item, i, node);
    }
    std::erase_if(item.chunks, is_empty);
  }

  void require_tiling(const Item& item, NodeId node) const {
    std::vector<Box> boxes;
    for (const Chunk& chunk : item.chunks) boxes.push_back({chunk.at, chunk.size});
    const std::string fault = tiling_fault(item.size, boxes);
    if (!fault.empty()) fail(node, "tensor '" + std::string(item.name) + "' cannot be put together: " + fault);
  }

  /// By the chunk's offset; in old files, which do not record it, by its number or because there is no other.
  Blob blob_of(const Item& item, std::size_t number, NodeId node) const {
    const auto& all = located(item, node);
    const auto& at = item.chunks[number].at;
    Located wanted;
    wanted.has_at = true;
    wanted.at = at;
    const auto exact = std::lower_bound(all.begin(), all.end(), wanted, &is_before);
    if (exact != all.end() && exact->at == at) return exact->blob;
    for (const Located& candidate : all) {
      if (candidate.has_at) break;  // those without come first
      if (candidate.index == static_cast<std::int64_t>(number) || all.size() == 1) return candidate.blob;
    }
    const auto is_zero = [](std::int64_t value) { return value == 0; };
    const bool alone = all.size() == 1 && item.chunks.size() == 1 && std::all_of(at.begin(), at.end(), is_zero);
    if (alone && all[0].at.empty()) return all[0].blob;
    fail(node, "storage_data does not tell where a chunk of '" + std::string(item.name) + "' is");
  }

  /// TensorProperties keeps (dtype, layout, requires_grad, memory format, pinned).
  void read_properties(Item& item, NodeId properties) const {
    const auto state = tree_.kind(properties) == Kind::object ? tree_.state(properties) : std::nullopt;
    if (!state || tree_.kind(*state) != Kind::tuple || tree_.items(*state).size() < 3) {
      fail(properties, "the properties of '" + std::string(item.name) + "' are not those of a tensor");
    }
    const auto fields = tree_.items(*state);
    if (tree_.kind(fields[0]) == Kind::global) item.dtype = dtype_global(tree_.qualified_name(fields[0]));
    if (!item.dtype) fail(fields[0], "the dtype of '" + std::string(item.name) + "' is not known", ErrorCode::unsupported);
    item.requires_grad = tree_.kind(fields[2]) == Kind::boolean && tree_.boolean(fields[2]);
  }

  /// Items that planner_data lacks stand at the top, under their names.
  void read_paths(std::optional<NodeId> node) {
    for (Item& item : result_.items) item.path = {std::string(item.name)};
    if (!node || !is_mapping(tree_, *node)) return;
    for (const auto& [key, path] : pairs_of(*node, "planner_data")) {
      const auto number = tree_.kind(key) == Kind::string ? numbers_.find(tree_.text(key)) : numbers_.end();
      if (number != numbers_.end()) result_.items[number->second].path = steps(path);
    }
  }

  std::vector<PathStep> steps(NodeId path) {
    if (tree_.kind(path) != Kind::tuple && tree_.kind(path) != Kind::list) fail(path, "a path of planner_data is not a tuple");
    std::vector<PathStep> all;
    for (const NodeId step : tree_.items(path)) {
      path_bytes_ += tree_.text(step).size() + sizeof(PathStep);
      if (path_bytes_ > limits_.name_bytes) {
        exceed(path, "the paths of planner_data are too long", "name_bytes", limits_.name_bytes);
      }
      if (tree_.kind(step) == Kind::string) {
        all.emplace_back(std::string(tree_.text(step)));
      } else {
        all.emplace_back(integer(step, "a step of a path"));
      }
    }
    return all;
  }

  const Tree& tree_;
  NameArena& names_;
  const Limits& limits_;
  DistributedMetadata result_;
  std::uint64_t chunks_ = 0;
  std::uint64_t path_bytes_ = 0;
  std::unordered_map<std::string_view, std::vector<Located>> located_;
  std::unordered_map<std::string_view, std::uint32_t> files_;
  std::unordered_map<std::string_view, std::size_t> numbers_;
};

}  // namespace

bool is_distributed_metadata(const Tree& tree) { return is_class(tree, tree.root(), ".Metadata"); }

DistributedMetadata read_metadata(const Tree& tree, NameArena& names, const Limits& limits) {
  return MetadataReader(tree, names, limits).run();
}

}  // namespace torchferry
