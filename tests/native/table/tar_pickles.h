#pragma once

#include <string>
#include <utility>
#include <vector>

#include "container/tar_builder.h"
#include "table/pickle_text.h"

namespace torchferry::testing {

/// A checkpoint as PyTorch 0.1 wrote it, in parts that a test can change.
struct TarFile {
  struct Storage {
    Pickle key = num(11);
    std::string location = "cpu";
    std::string type = "FloatStorage";
    std::uint64_t count = 6;
    std::string bytes = floats(6);
  };
  struct Tensor {
    Pickle key = num(21);
    Pickle storage = num(11);
    std::vector<std::int64_t> sizes = {2, 3};
    std::vector<std::int64_t> strides = {3, 1};
    std::int64_t offset = 0;
  };

  std::vector<Storage> storages = {Storage{}};
  std::vector<Pickle> views;
  std::vector<Tensor> tensors = {Tensor{}};
  Pickle object = ordered_dict({{str("w"), str("21") + "Q"}});
  std::string more_storage_bytes, more_tensor_bytes;

  static Pickle whole(const Pickle& content) { return "\x80\x02" + content + "."; }

  std::string storages_member() const {
    std::string bytes = whole(num(static_cast<std::int64_t>(storages.size())));
    for (const Storage& one : storages) {
      bytes += whole(tuple({one.key, str(one.location), global("torch", one.type)}));
      append_le(bytes, one.count, 8);
      bytes += one.bytes;
    }
    return bytes + whole(list(views)) + more_storage_bytes;
  }

  std::string tensors_member() const {
    std::string bytes = whole(num(static_cast<std::int64_t>(tensors.size())));
    for (const Tensor& one : tensors) {
      bytes += whole(tuple({one.key, one.storage, global("torch", "FloatTensor")}));
      append_le(bytes, one.sizes.size(), 4);
      bytes += "\xAA\xBB\xCC\xDD";  // not looked at
      for (const std::int64_t size : one.sizes) append_le(bytes, static_cast<std::uint64_t>(size), 8);
      for (const std::int64_t stride : one.strides) append_le(bytes, static_cast<std::uint64_t>(stride), 8);
      append_le(bytes, static_cast<std::uint64_t>(one.offset), 8);
    }
    return bytes + more_tensor_bytes;
  }

  std::string bytes() const {
    return tar_member("sys_info", whole(dict({{str("protocol_version"), num(1000)}}))) +
           tar_member("pickle", whole(object)) + tar_member("tensors", tensors_member()) +
           tar_member("storages", storages_member()) + tar_end();
  }
};

}  // namespace torchferry::testing
