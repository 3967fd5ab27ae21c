#include <torchferry/error.h>

#include <algorithm>
#include <utility>

#include "base/limit_error.h"
#include "base/parallel.h"
#include "container/sniff.h"
#include "pickle/machine.h"
#include "table/content.h"
#include "table/content_index.h"
#include "table/distributed_metadata.h"
#include "table/folder.h"
#include "table/pieces.h"
#include "table/reading_threads.h"
#include "table/torch_names.h"
#include "table/value_content.h"
#include "table/values.h"

// torch.distributed.checkpoint: `.metadata` tells for each item where it is in the files beside it, each item a whole
// file of torch.save: a chunk of a tensor, or some other value.

namespace torchferry {
namespace {

using Item = DistributedMetadata::Item;
using Blob = DistributedMetadata::Blob;

/// One part of a file to be read: a chunk of a tensor, or a value.
struct Part {
  const Item* item;
  const DistributedMetadata::Chunk* chunk;  ///< null for a value
  std::unique_ptr<Checkpoint::State> content;
  std::uint32_t row = kNone;                ///< of a chunk: its tensor in the content
  std::vector<std::string> opaque_globals;

  const Blob& blob() const { return chunk != nullptr ? chunk->blob : item->blob; }
};

[[noreturn]] void corrupt(const Part& part, const std::string& message) {
  throw Error(ErrorCode::corrupt, part.content->name, std::string(part.item->name), part.blob().offset, message);
}

/// The row of the one tensor that a content is.
std::uint32_t only_tensor(const Checkpoint::State& content) {
  if (!content.tree) return kNone;
  const std::uint32_t row = content.row_by_node[unwrap(*content.tree, content.tree->root())];
  return row == 0 || row == kNone ? kNone : row - 1;
}

std::string shape_text(std::span<const std::int64_t> sizes) {
  std::string text;
  for (const std::int64_t size : sizes) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

class Directory {
 public:
  explicit Directory(Checkpoint::State& state)
      : state_(state), metadata_(read_metadata(*state.tree, state.names, state.options.limits)) {}

  void read() {
    open_files();
    list_parts();
    for_each_parallel(parts_.size(), reading_threads(state_.options.limits), [this](std::size_t i) { read_part(parts_[i]); });
    build();
  }

 private:
  void open_files() {
    const Folder folder(state_.path, state_.source->name());
    for (std::size_t i = 0; i < metadata_.files.size(); ++i) {
      try {
        state_.files.push_back({folder.open(metadata_.files[i]), std::nullopt});
      } catch (const Error& error) {
        if (!error.file().empty()) throw;
        throw Error(error.code(), user_of(i) + error.message());
      }
    }
  }

  /// An item in the file, to be named in errors about it.
  std::string user_of(std::size_t file) const {
    for (const Item& item : metadata_.items) {
      const bool uses = item.dtype ? std::any_of(item.chunks.begin(), item.chunks.end(),
                                                 [&](const auto& chunk) { return chunk.blob.file == file; })
                                   : item.blob.file == file;
      if (uses) return "'" + std::string(item.name) + "' and what else is in its file: ";
    }
    return {};
  }

  void list_parts() {
    for (const Item& item : metadata_.items) {
      if (!item.dtype) parts_.emplace_back().item = &item;
      for (const auto& chunk : item.chunks) {
        Part& part = parts_.emplace_back();
        part.item = &item;
        part.chunk = &chunk;
      }
    }
    require_distinct_parts();
  }

  /// Items that share bytes would make a small file take the memory and time of many.
  void require_distinct_parts() const {
    std::vector<const Part*> sorted;
    for (const Part& part : parts_) sorted.push_back(&part);
    std::sort(sorted.begin(), sorted.end(), [](const Part* a, const Part* b) {
      return a->blob().file != b->blob().file ? a->blob().file < b->blob().file : a->blob().offset < b->blob().offset;
    });
    for (std::size_t i = 1; i < sorted.size(); ++i) {
      const Blob& before = sorted[i - 1]->blob();
      const Blob& blob = sorted[i]->blob();
      if (blob.file == before.file && blob.offset - before.offset < before.length) {
        throw Error(ErrorCode::corrupt, "'" + std::string(sorted[i - 1]->item->name) + "' and '" +
                                            std::string(sorted[i]->item->name) + "' share bytes of '" +
                                            metadata_.files[blob.file] + "'");
      }
    }
  }

  void read_part(Part& part) const {
    const Blob& blob = part.blob();
    try {
      part.content = read_lone_file(window_source(state_.files[blob.file].source, blob.offset, blob.length), state_.options);
    } catch (const Error& error) {
      std::string record(part.item->name);
      if (!error.record().empty()) record += "/" + error.record();
      throw Error(error.code(), error.file(), record, error.offset(), error.message());
    }
    part.opaque_globals = opaque_globals_of(*part.content);
    if (part.chunk == nullptr) return;
    part.row = only_tensor(*part.content);
    if (part.row == kNone) corrupt(part, "a chunk of a tensor is something else than a tensor");
    const TensorTable& table = part.content->table;
    const auto sizes = table.sizes(table.tensors()[part.row]);
    if (!std::equal(sizes.begin(), sizes.end(), part.chunk->size.begin(), part.chunk->size.end())) {
      corrupt(part, "a chunk has the sizes " + shape_text(sizes) + ", and " + shape_text(part.chunk->size) +
                        " in the metadata");
    }
    // There may be very many chunks, and the table has all that is needed of them.
    part.content->tree.reset();
    part.content->row_by_node = {};
    part.content->pickle = {};
  }

  void build() {
    TableBuilder builder(state_.options.limits);
    BoxedTensors tensors(state_, builder);
    Nesting nesting(state_.options.limits);
    std::vector<std::string> opaque;
    for (std::size_t i = 0; i < parts_.size() || next_item_ < metadata_.items.size();) {
      const Item& item = metadata_.items[next_item_++];
      const std::size_t first = i;
      while (i < parts_.size() && parts_[i].item == &item) {
        for (std::string& name : parts_[i].opaque_globals) opaque.push_back(std::move(name));
        ++i;
      }
      const auto parts = std::span(parts_).subspan(first, i - first);
      nesting.put(item.path, item.dtype ? tensor_of(item, parts, tensors) : value_of(item, parts[0], tensors));
      for (Part& part : parts) part.content.reset();
    }
    std::sort(opaque.begin(), opaque.end());
    opaque.erase(std::unique(opaque.begin(), opaque.end()), opaque.end());
    state_.opaque_globals = std::move(opaque);
    state_.table = std::move(builder).finish();
    state_.flat_root = nesting.finish();
    list_tensors(*state_.flat_root, state_.names, state_.options.limits, state_.entries);
  }

  static ValuePtr tensor_of(const Item& item, std::span<const Part> parts, BoxedTensors& tensors) {
    std::vector<SavedBox> boxes;
    for (const Part& part : parts) {
      boxes.push_back({part.content.get(), part.row, part.blob().file, part.blob().offset, part.chunk->at});
    }
    return tensor_value(tensors.add({item.name, *item.dtype, item.requires_grad, item.size}, boxes));
  }

  ValuePtr value_of(const Item& item, const Part& part, BoxedTensors& tensors) const {
    const Checkpoint::State& content = *part.content;
    if (!content.tree) return content.flat_root;
    const std::uint32_t first = tensors.adopt(item.name, content, part.blob().file, part.blob().offset);
    std::vector<std::uint32_t> rows = content.row_by_node;
    for (std::uint32_t& row : rows) row += row == 0 || row == kNone ? 0 : first;
    return make_value(*content.tree, content.tree->root(), rows, state_.options.limits);
  }

  Checkpoint::State& state_;
  const DistributedMetadata metadata_;
  std::vector<Part> parts_;  // item by item
  std::size_t next_item_ = 0;
};

/// The classes that the metadata itself consists of.
void require_known_globals(const Tree& tree) {
  for (NodeId node = 0; node < tree.size(); ++node) {
    if (tree.kind(node) != pickle::Kind::global) continue;
    const std::string_view name = tree.qualified_name(node);
    if (name.starts_with("torch.distributed.") || name.starts_with("pathlib.") || is_weights_only_global(name) ||
        is_plain_data_global(name) || name == "torch.serialization._get_layout") {
      continue;
    }
    throw Error(ErrorCode::unsafe, {}, {}, tree.offset(node),
                "Unsupported global: GLOBAL " + std::string(name) + " is not what torch.distributed.checkpoint writes. "
                "Open the directory without weights_only to pass over it; no code is run either way.");
  }
}

/// Whether the pickle begins like the metadata, whose first global is its own class.
bool starts_like_metadata(const ByteSource& source) {
  std::string start(std::min<std::uint64_t>(source.size(), 128), '\0');
  source.read_at(0, std::as_writable_bytes(std::span(start)));
  return start.find("torch.distributed.") != std::string::npos && start.find("Metadata") != std::string::npos;
}

}  // namespace

bool read_distributed_metadata(Checkpoint::State& state) {
  const Limits& limits = state.options.limits;
  if (!starts_like_metadata(*state.source)) return false;
  if (state.source->size() > limits.pickle_bytes) {
    throw Error(ErrorCode::limit_exceeded,
                over_limit("metadata of " + std::to_string(state.source->size()) + " bytes", "pickle_bytes",
                           limits.pickle_bytes));
  }
  state.pickle.resize(state.source->size());
  state.source->read_at(0, state.pickle);
  state.tree = pickle::parse(state.pickle, limits).tree;
  return is_distributed_metadata(*state.tree);
}

void read_distributed_index(Checkpoint::State& state) {
  state.format = Format::distributed;
  if (state.path.empty()) {
    throw Error(ErrorCode::unsupported, "the metadata of torch.distributed.checkpoint in memory: open the directory by "
                "its path, because the tensors lie in files beside it");
  }
  if (state.options.weights_only) require_known_globals(*state.tree);
  Directory(state).read();
  state.tree.reset();
  state.pickle = {};
}

}  // namespace torchferry
