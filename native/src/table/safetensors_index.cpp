#include <torchferry/error.h>

#include <algorithm>
#include <unordered_map>

#include "base/checked.h"
#include "base/limit_error.h"
#include "container/json_reader.h"
#include "container/little_endian.h"
#include "table/content_index.h"
#include "table/safetensors_header.h"
#include "table/table_builder.h"

// safetensors: u64 length, a JSON header, then the bytes of all tensors without a gap.

namespace torchferry {
namespace {

constexpr const char* kHeader = "header";

struct HeaderEntry {
  std::string_view name;
  std::string type_name;
  SafetensorsType type;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

std::string tensor_text(std::string_view name) { return "tensor `" + std::string(name) + "`"; }

/// Reads {"dtype": …, "shape": […], "data_offsets": [begin, end]}; other fields are passed over.
void read_entry(JsonReader& json, HeaderEntry& entry) {
  bool has_type = false, has_shape = false, has_offsets = false;
  std::string field;
  const auto once = [&](bool& seen) {
    if (seen) json.fail("field '" + field + "' of " + tensor_text(entry.name) + " stands twice");
    seen = true;
  };
  if (!json.at_object()) json.fail(tensor_text(entry.name) + " is not an object");
  json.enter_object();
  while (json.next_key(field)) {
    if (field == "dtype") {
      once(has_type);
      entry.type_name = json.string();
      const SafetensorsType* type = safetensors_type_named(entry.type_name);
      if (type == nullptr) json.fail("unknown dtype '" + entry.type_name + "' of " + tensor_text(entry.name));
      entry.type = *type;
    } else if (field == "shape") {
      once(has_shape);
      json.enter_array();
      while (json.next_element()) {
        const std::uint64_t size = json.unsigned_integer();
        if (size > INT64_MAX) json.fail("a size of " + tensor_text(entry.name) + " is beyond 63 bits");
        entry.shape.push_back(static_cast<std::int64_t>(size));
      }
    } else if (field == "data_offsets") {
      once(has_offsets);
      json.enter_array();
      std::vector<std::uint64_t> offsets;
      while (json.next_element()) offsets.push_back(json.unsigned_integer());
      if (offsets.size() != 2) json.fail("data_offsets of " + tensor_text(entry.name) + " are not two numbers");
      entry.begin = offsets[0];
      entry.end = offsets[1];
    } else {
      json.skip_value();
    }
  }
  if (!has_type || !has_shape || !has_offsets) json.fail(tensor_text(entry.name) + " lacks dtype, shape or data_offsets");
}

std::shared_ptr<Value> text_of(std::string text) {
  auto value = std::make_shared<Value>();
  value->kind = Value::Kind::string;
  value->text = std::move(text);
  return value;
}

ValuePtr read_metadata(JsonReader& json) {
  if (json.null()) return nullptr;
  auto value = std::make_shared<Value>();
  value->kind = Value::Kind::dict;
  std::map<std::string, bool> seen;
  std::string key;
  json.enter_object();
  while (json.next_key(key)) {
    if (!seen.emplace(key, true).second) json.fail("metadata key '" + key + "' stands twice");
    ValuePtr name = text_of(key);
    value->entries.emplace_back(std::move(name), text_of(json.string()));
  }
  return value;
}

std::vector<HeaderEntry> read_header(Checkpoint::State& state, std::string_view text) {
  if (text.empty() || text[0] != '{') throw Error(ErrorCode::corrupt, {}, kHeader, 0, "the header does not start with '{'");
  JsonReader json(text);
  const Limits& limits = state.options.limits;
  std::vector<HeaderEntry> entries;
  std::unordered_map<std::string_view, bool> seen;
  std::string key;
  bool has_metadata = false;
  json.enter_object();
  while (json.next_key(key)) {
    if (key == kSafetensorsMetadata) {
      if (has_metadata) json.fail("__metadata__ stands twice");
      has_metadata = true;
      state.flat_metadata = read_metadata(json);
      continue;
    }
    HeaderEntry entry;
    if (state.names.bytes() + key.size() > limits.name_bytes) {
      throw Error(ErrorCode::limit_exceeded, {}, kHeader, json.offset(),
                  over_limit("the names of the tensors are too long", "name_bytes", limits.name_bytes));
    }
    entry.name = state.names.add({}, key, false);
    if (!seen.emplace(entry.name, true).second) json.fail(tensor_text(key) + " stands twice");
    read_entry(json, entry);
    entries.push_back(std::move(entry));
    if (entries.size() > limits.tensors) {
      throw Error(ErrorCode::limit_exceeded, {}, kHeader, json.offset(),
                  over_limit("the header lists too many tensors", "tensors", limits.tensors));
    }
  }
  json.finish();
  return entries;
}

std::uint64_t bytes_of(const HeaderEntry& entry) {
  std::uint64_t count = 1;
  for (const std::int64_t size : entry.shape) {
    const auto product = checked_mul(count, static_cast<std::uint64_t>(size));
    if (!product) throw Error(ErrorCode::corrupt, {}, kHeader, std::nullopt, "the size of " + tensor_text(entry.name) + " overflows");
    count = *product;
  }
  const auto bits = checked_mul(count, entry.type.bits);
  if (!bits) throw Error(ErrorCode::corrupt, {}, kHeader, std::nullopt, "the size of " + tensor_text(entry.name) + " overflows");
  if (*bits % 8 != 0) {
    throw Error(ErrorCode::corrupt, {}, kHeader, std::nullopt, tensor_text(entry.name) + " does not end at a whole byte");
  }
  return *bits / 8;
}

/// The byte ranges must follow each other without a gap or overlap and cover the buffer.
void require_cover(const std::vector<HeaderEntry>& entries, std::uint64_t buffer) {
  std::vector<const HeaderEntry*> sorted;
  for (const HeaderEntry& entry : entries) sorted.push_back(&entry);
  std::stable_sort(sorted.begin(), sorted.end(), [](const HeaderEntry* a, const HeaderEntry* b) {
    return a->begin != b->begin ? a->begin < b->begin : a->end < b->end;
  });
  std::uint64_t at = 0;
  for (const HeaderEntry* entry : sorted) {
    const auto refuse = [&](const std::string& why) {
      throw Error(ErrorCode::corrupt, {}, kHeader, std::nullopt, "invalid offset for " + tensor_text(entry->name) + ": " + why);
    };
    if (entry->begin != at || entry->end < entry->begin) {
      refuse("[" + std::to_string(entry->begin) + ", " + std::to_string(entry->end) + ") where " + std::to_string(at) +
             " must begin");
    }
    const std::uint64_t size = bytes_of(*entry);
    if (entry->end - entry->begin != size) refuse("its dtype and shape need " + std::to_string(size) + " bytes");
    at = entry->end;
  }
  if (at != buffer) {
    throw Error(ErrorCode::corrupt, {}, kHeader, std::nullopt,
                "the tensors end at byte " + std::to_string(at) + " of the buffer, the file at " + std::to_string(buffer) +
                    ": it was cut, or something was appended");
  }
}

std::uint32_t add_tensor(TableBuilder& builder, const HeaderEntry& entry, std::uint64_t buffer_start, std::uint32_t location) {
  TensorRow row = TableBuilder::blank(entry.type.dtype.value_or(DType::uint8));
  const std::uint64_t nbytes = entry.end - entry.begin;
  row.location = location;
  row.storage = builder.add_storage({entry.name, location, nbytes, buffer_start + entry.begin, nbytes, kNone, 0, 1, false});
  std::vector<std::int64_t> shape = entry.shape;
  std::string unsupported;
  if (!entry.type.dtype) {
    shape.assign(1, static_cast<std::int64_t>(nbytes));
    unsupported = "torch has no type for " + entry.type_name + ": its bytes can be read as they are";
  } else if (row.dtype == DType::float4_e2m1fn_x2) {  // torch counts pairs: two elements a byte
    if (shape.empty() || shape.back() % 2 != 0) {
      shape.assign(1, static_cast<std::int64_t>(nbytes));
      row.dtype = DType::uint8;
      unsupported = "f4_x2 dtype requires that the last dim be divisible by 2: its bytes can be read as they are";
    } else {
      shape.back() /= 2;
    }
  }
  builder.set_geometry(row, shape, {});
  builder.require_within_storage(row);
  if (!unsupported.empty()) builder.set_unsupported(row, std::move(unsupported));
  return builder.add_tensor(row);
}

ValuePtr root_of(const std::vector<Entry>& entries) {
  auto root = std::make_shared<Value>();
  root->kind = Value::Kind::dict;
  for (const Entry& entry : entries) {
    auto tensor = std::make_shared<Value>();
    tensor->kind = Value::Kind::tensor;
    tensor->tensor = entry.tensor;
    ValuePtr name = text_of(std::string(entry.key));
    root->entries.emplace_back(std::move(name), std::move(tensor));
  }
  return root;
}

void require_header_size(std::uint64_t size, std::uint64_t file_size, const Limits& limits) {
  if (size > kLargestSafetensorsHeader) {
    throw Error(ErrorCode::corrupt, {}, kHeader, 0, "the header of " + std::to_string(size) +
                                                        " bytes is too large: the format allows 100,000,000");
  }
  if (!range_within(8, size, file_size)) {
    throw Error(ErrorCode::corrupt, {}, kHeader, 0, "the header passes the end of the file");
  }
  if (size > limits.directory_bytes) {
    throw Error(ErrorCode::limit_exceeded, {}, kHeader, 0,
                over_limit("the header has " + std::to_string(size) + " bytes", "directory_bytes", limits.directory_bytes));
  }
}

}  // namespace

void read_safetensors_index(Checkpoint::State& state) {
  const ByteSource& source = *state.source;
  state.format = Format::safetensors;
  std::byte length[8];
  source.read_at(0, length);
  const std::uint64_t size = load_u64(length);
  require_header_size(size, source.size(), state.options.limits);
  state.pickle_record = kHeader;
  state.pickle.resize(size);
  source.read_at(8, state.pickle);
  const std::vector<HeaderEntry> entries =
      read_header(state, {reinterpret_cast<const char*>(state.pickle.data()), state.pickle.size()});
  require_cover(entries, source.size() - 8 - size);
  TableBuilder builder(state.options.limits);
  builder.reserve(entries.size());
  for (const HeaderEntry& entry : entries) {
    state.entries.push_back({entry.name, add_tensor(builder, entry, 8 + size, builder.location("cpu"))});
  }
  state.table = std::move(builder).finish();
  state.flat_root = root_of(state.entries);
  state.pickle = {};
}

}  // namespace torchferry
