#pragma once

#include <torchferry/checkpoint.h>

#include <bit>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/temp_file.h"
#include "table/pickle_text.h"

// Checkpoints of several files, written by hand. Elements of tensors are float32 and count from 0 in row-major order of
// the whole tensor, so that what was put together can be recognised.

namespace torchferry::testing {

using Extents = std::vector<std::int64_t>;

inline std::string json_text(const std::string& text) { return "\"" + text + "\""; }

inline std::string json_text(const Extents& values) {
  std::string text = "[";
  for (const std::int64_t value : values) text += (text.size() > 1 ? "," : "") + std::to_string(value);
  return text + "]";
}

inline std::uint64_t volume(const Extents& size) {
  std::uint64_t product = 1;
  for (const std::int64_t extent : size) product *= static_cast<std::uint64_t>(extent);
  return product;
}

/// A safetensors file of float32 tensors with the given bytes.
inline std::string safetensors_file(const std::vector<std::pair<std::string, std::pair<Extents, std::string>>>& tensors,
                                    const std::string& metadata = {}) {
  std::string header = metadata.empty() ? "" : "\"__metadata__\":" + metadata;
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    const std::size_t begin = data.size();
    data += tensor.second;
    header += (header.empty() ? "" : ",") + json_text(name) + R"(:{"dtype":"F32","shape":)" + json_text(tensor.first) +
              ",\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(data.size()) + "]}";
  }
  header = "{" + header + "}";
  std::string file;
  append_le(file, header.size(), 8);
  return file + header + data;
}

/// {"metadata": {"total_size": 1}, "weight_map": …}
inline std::string index_file(const std::vector<std::pair<std::string, std::string>>& weight_map) {
  std::string map;
  for (const auto& [key, file] : weight_map) map += (map.empty() ? "" : ",") + json_text(key) + ":" + json_text(file);
  return R"({"metadata":{"total_size":1},"weight_map":{)" + map + "}}";
}

/// The float32 elements of the box [at, at + size) of a tensor of size `whole`.
inline std::string box_floats(const Extents& whole, const Extents& at, const Extents& size) {
  std::string bytes;
  Extents index(size.size(), 0);
  for (std::uint64_t n = volume(size); n-- > 0;) {
    std::int64_t element = 0;
    for (std::size_t d = 0; d < whole.size(); ++d) element = element * whole[d] + at[d] + index[d];
    append_le(bytes, std::bit_cast<std::uint32_t>(static_cast<float>(element)), 4);
    for (std::size_t d = size.size(); d-- > 0;) {
      if (++index[d] < size[d]) break;
      index[d] = 0;
    }
  }
  return bytes;
}

/// A directory of torch.distributed.checkpoint. What its metadata says can be changed before it is written.
class DistributedFolder {
 public:
  struct Chunk {
    Extents at;
    Extents size;
    std::string file = "__0_0.distcp";
  };
  struct Located {
    std::string name;
    std::optional<Extents> at;
    std::optional<std::int64_t> index;
    std::string file;
    std::int64_t offset;
    std::int64_t length;
    Pickle transforms = none();
    std::optional<Pickle> instead = {};  ///< written where the _StorageInfo belongs
  };
  struct Tensor {
    std::string name;
    Extents size;
    std::vector<Chunk> chunks;
    std::string dtype = "float32";
    std::optional<Pickle> instead_of_chunks = {};
  };

  void tensor(const std::string& name, const Extents& size, const std::vector<Chunk>& chunks) {
    tensors.push_back({name, size, chunks});
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      const Chunk& chunk = chunks[i];
      if (volume(chunk.size) == 0) continue;
      Extents stride(chunk.size.size(), 1);
      for (std::size_t d = stride.size(); d-- > 1;) stride[d - 1] = stride[d] * chunk.size[d];
      const auto numel = static_cast<std::int64_t>(volume(chunk.size));
      const std::string blob = archive(testing::tensor({.numel = numel, .size = chunk.size, .stride = stride}),
                                       {{"0", box_floats(size, chunk.at, chunk.size)}});
      locate(name, chunk.at, static_cast<std::int64_t>(i), chunk.file, blob);
    }
  }

  void value(const std::string& name, const Pickle& content, std::vector<std::pair<std::string, std::string>> storages = {}) {
    values.push_back(name);
    locate(name, std::nullopt, std::nullopt, "__0_0.distcp", archive(content, storages));
  }

  void locate(const std::string& name, std::optional<Extents> at, std::optional<std::int64_t> index,
              const std::string& file, const std::string& blob) {
    const auto offset = static_cast<std::int64_t>(files[file].size());
    files[file] += blob;
    located.push_back({name, std::move(at), index, file, offset, static_cast<std::int64_t>(blob.size())});
  }

  Pickle metadata() const {
    std::vector<std::pair<Pickle, Pickle>> items;
    std::vector<std::pair<Pickle, Pickle>> places;
    for (const Tensor& tensor : tensors) items.emplace_back(str(tensor.name), tensor_metadata(tensor));
    for (const std::string& name : values) items.emplace_back(str(name), make(type("BytesStorageMetadata"), {}));
    for (const Located& at : located) places.emplace_back(index_of(at), info_of(at));
    std::vector<std::pair<Pickle, Pickle>> fields = {{str("state_dict_metadata"), dict(items)},
                                                     {str("planner_data"), planner_data},
                                                     {str("storage_data"), dict(places)}};
    return "\x80\x02" + with_state(make(type("Metadata"), {}), dict(fields)) + ".";
  }

  const std::filesystem::path& write(const TempDirectory& directory) const {
    for (const auto& [name, bytes] : files) write_file(directory / name, bytes);
    write_file(directory / ".metadata", metadata());
    return directory.path();
  }

  std::vector<Tensor> tensors;
  std::vector<std::string> values;
  std::vector<Located> located;
  std::map<std::string, std::string> files;
  Pickle planner_data = none();

 private:
  static Pickle type(const char* name) { return global("torch.distributed.checkpoint.metadata", name); }
  static Pickle size_of(const Extents& extents) { return call(global("torch", "Size"), {ints(extents)}); }

  static Pickle tensor_metadata(const Tensor& tensor) {
    std::vector<Pickle> chunks;
    for (const Chunk& chunk : tensor.chunks) {
      chunks.push_back(with_state(make(type("ChunkStorageMetadata"), {}),
                                  dict({{str("offsets"), size_of(chunk.at)}, {str("sizes"), size_of(chunk.size)}})));
    }
    const Pickle properties =
        with_state(make(type("TensorProperties"), {}),
                   tuple({global("torch", tensor.dtype), none(), boolean(false),
                          call(type("_MEM_FORMAT_ENCODING"), {num(0)}), boolean(false)}));
    return with_state(make(type("TensorStorageMetadata"), {}), dict({{str("properties"), properties},
                                                                    {str("size"), size_of(tensor.size)},
                                                                    {str("chunks"), tensor.instead_of_chunks.value_or(list(chunks))}}));
  }

  static Pickle index_of(const Located& located) {
    return with_state(make(type("MetadataIndex"), {}),
                      dict({{str("fqn"), str(located.name)},
                            {str("index"), located.index ? num(*located.index) : none()},
                            {str("offset"), located.at ? size_of(*located.at) : none()}}));
  }

  static Pickle info_of(const Located& located) {
    if (located.instead) return *located.instead;
    return with_state(make(global("torch.distributed.checkpoint.filesystem", "_StorageInfo"), {}),
                      dict({{str("relative_path"), str(located.file)},
                            {str("offset"), num(located.offset)},
                            {str("length"), num(located.length)},
                            {str("transform_descriptors"), located.transforms}}));
  }
};

/// The float32 elements of an entry, as the checkpoint reads them.
inline std::vector<float> elements_of(const Checkpoint& checkpoint, std::string_view key) {
  for (const Entry& entry : checkpoint.entries()) {
    if (entry.key != key) continue;
    const TensorRow& row = checkpoint.table().tensors()[entry.tensor];
    std::vector<float> values(row.numel);
    checkpoint.read_elements(row, 0, std::as_writable_bytes(std::span(values)));
    return values;
  }
  throw std::runtime_error("no tensor " + std::string(key));
}

/// 0, 1, … as elements.
inline std::vector<float> counted(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i);
  return values;
}

}  // namespace torchferry::testing
