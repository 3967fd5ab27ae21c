#pragma once

#include <torchferry/checkpoint.h>

#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "container/zip_builder.h"

// Pickles written by hand, as expressions: dict({{str("a"), tensor("0", 3)}}). Each function gives the opcodes that
// leave one value on the stack, so that a test reads like the Python it stands for.

namespace torchferry::testing {

using Pickle = std::string;

inline Pickle number_le(std::uint64_t value, int bytes) {
  Pickle text;
  append_le(text, value, static_cast<std::size_t>(bytes));
  return text;
}

inline Pickle str(std::string_view text) { return "X" + number_le(text.size(), 4) + std::string(text); }
inline Pickle num(std::int64_t value) { return "\x8a\x08" + number_le(static_cast<std::uint64_t>(value), 8); }
inline Pickle real(double value) {
  Pickle text = "G";
  for (int shift = 56; shift >= 0; shift -= 8) text += static_cast<char>(std::bit_cast<std::uint64_t>(value) >> shift);
  return text;
}
inline Pickle none() { return "N"; }
inline Pickle boolean(bool value) { return value ? "\x88" : "\x89"; }
inline Pickle global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}
inline Pickle joined(const std::vector<Pickle>& parts) {
  Pickle text;
  for (const Pickle& part : parts) text += part;
  return text;
}
inline Pickle tuple(const std::vector<Pickle>& items) { return "(" + joined(items) + "t"; }
inline Pickle list(const std::vector<Pickle>& items) { return "](" + joined(items) + "e"; }
inline Pickle ints(const std::vector<std::int64_t>& values) {
  std::vector<Pickle> items;
  for (const std::int64_t value : values) items.push_back(num(value));
  return tuple(items);
}
inline Pickle pairs(const std::vector<std::pair<Pickle, Pickle>>& items) {
  Pickle text = "(";
  for (const auto& [key, value] : items) text += key + value;
  return text + "u";
}
inline Pickle dict(const std::vector<std::pair<Pickle, Pickle>>& items) { return "}" + pairs(items); }
inline Pickle call(const Pickle& callable, const std::vector<Pickle>& arguments) {
  return callable + tuple(arguments) + "R";
}
inline Pickle make(const Pickle& type, const std::vector<Pickle>& arguments) { return type + tuple(arguments) + "\x81"; }
inline Pickle with_state(const Pickle& object, const Pickle& state) { return object + state + "b"; }
inline Pickle ordered_dict(const std::vector<std::pair<Pickle, Pickle>>& items = {}) {
  return call(global("collections", "OrderedDict"), {}) + pairs(items);
}
inline Pickle put(const Pickle& value, unsigned index) { return value + "r" + number_le(index, 4); }
inline Pickle get(unsigned index) { return "j" + number_le(index, 4); }

inline Pickle storage(std::string_view type, std::string_view key, std::string_view location, std::int64_t numel) {
  return tuple({str("storage"), type == "UntypedStorage" ? global("torch.storage", type) : global("torch", type),
                str(key), str(location), num(numel)}) +
         "Q";
}

/// A float32 view of storage `key`.
struct View {
  std::string key = "0";
  std::int64_t numel = 6;  ///< of the storage
  std::int64_t offset = 0;
  std::vector<std::int64_t> size = {6};
  std::vector<std::int64_t> stride = {1};
  std::string type = "FloatStorage";
  std::string location = "cpu";
  bool requires_grad = false;
  Pickle metadata = {};
};

inline Pickle tensor(const View& view) {
  std::vector<Pickle> arguments = {storage(view.type, view.key, view.location, view.numel),
                                   num(view.offset),
                                   ints(view.size),
                                   ints(view.stride),
                                   boolean(view.requires_grad),
                                   ordered_dict()};
  if (!view.metadata.empty()) arguments.push_back(view.metadata);
  return call(global("torch._utils", "_rebuild_tensor_v2"), arguments);
}

inline Pickle parameter(const Pickle& data, bool requires_grad = true) {
  return call(global("torch._utils", "_rebuild_parameter"), {data, boolean(requires_grad), ordered_dict()});
}

/// A checkpoint in memory: the pickle of `content` and the storages given as (key, bytes).
inline std::string archive(const Pickle& content, const std::vector<std::pair<std::string, std::string>>& storages,
                           std::string_view byteorder = "little") {
  ZipBuilder zip;
  zip.add("archive/data.pkl", "\x80\x02" + content + ".");
  zip.add("archive/byteorder", std::string(byteorder));
  for (const auto& [key, bytes] : storages) zip.add("archive/data/" + key, bytes);
  zip.add("archive/version", "3\n");
  return zip.bytes();
}

inline Checkpoint open_bytes(std::string bytes, const OpenOptions& options = {}) {
  auto kept = std::make_shared<const std::string>(std::move(bytes));
  return Checkpoint::open(as_bytes(*kept), kept, "test.pt", options);
}

inline std::string floats(std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) append_le(bytes, std::bit_cast<std::uint32_t>(static_cast<float>(i)), 4);
  return bytes;
}

inline Checkpoint open_content(const Pickle& content, std::size_t storage_floats = 6, const OpenOptions& options = {}) {
  return open_bytes(archive(content, {{"0", floats(storage_floats)}}), options);
}

inline std::vector<std::string> keys_of(const std::vector<Entry>& entries) {
  std::vector<std::string> keys;
  for (const Entry& entry : entries) keys.emplace_back(entry.key);
  return keys;
}

}  // namespace torchferry::testing
