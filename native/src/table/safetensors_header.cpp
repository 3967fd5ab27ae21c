#include "table/safetensors_header.h"

#include <torchferry/error.h>

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "container/json_text.h"

namespace torchferry {
namespace {

/// The header ends at a multiple of this.
constexpr std::size_t kHeaderAlignment = 8;

void require_name(const SafetensorsEntry& entry) {
  if (entry.name == kSafetensorsMetadata) {
    throw Error(ErrorCode::invalid_argument,
                "safetensors keeps the name " + entry.name + " for itself; rename it");
  }
  if (!is_strict_utf8(entry.name)) {
    throw Error(ErrorCode::invalid_argument, "the name is not UTF-8, which safetensors needs; rename it");
  }
}

const SafetensorsType& require_type(DType dtype) {
  if (const auto* const type = safetensors_type_of(dtype)) return *type;
  throw Error(ErrorCode::unsupported, "safetensors has no dtype " + std::string(name(dtype)) +
                                          "; convert the tensor, or save a zip file");
}

/// Runs `work`; its errors name the tensor.
template <class Work>
void for_tensor(const SafetensorsEntry& entry, const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    throw Error(error.code(), "tensor '" + entry.name + "': " + error.message());
  }
}

void append_shape(std::string& out, const SafetensorsEntry& entry) {
  out += '[';
  for (std::size_t i = 0; i < entry.shape.size(); ++i) {
    const bool packed = entry.dtype == DType::float4_e2m1fn_x2 && i + 1 == entry.shape.size();
    if (i != 0) out += ',';
    out += std::to_string(static_cast<std::uint64_t>(entry.shape[i]) * (packed ? 2 : 1));
  }
  out += ']';
}

}  // namespace

const std::vector<SafetensorsType>& safetensors_types() {
  static const std::vector<SafetensorsType> types = {
      {"BOOL", 8, DType::boolean},
      {"F4", 4, DType::float4_e2m1fn_x2},
      {"F6_E2M3", 6, std::nullopt},
      {"F6_E3M2", 6, std::nullopt},
      {"U8", 8, DType::uint8},
      {"I8", 8, DType::int8},
      {"F8_E5M2", 8, DType::float8_e5m2},
      {"F8_E4M3", 8, DType::float8_e4m3fn},
      {"F8_E8M0", 8, DType::float8_e8m0fnu},
      {"F8_E4M3FNUZ", 8, DType::float8_e4m3fnuz},
      {"F8_E5M2FNUZ", 8, DType::float8_e5m2fnuz},
      {"I16", 16, DType::int16},
      {"U16", 16, DType::uint16},
      {"F16", 16, DType::float16},
      {"BF16", 16, DType::bfloat16},
      {"I32", 32, DType::int32},
      {"U32", 32, DType::uint32},
      {"F32", 32, DType::float32},
      {"C64", 64, DType::complex64},
      {"F64", 64, DType::float64},
      {"I64", 64, DType::int64},
      {"U64", 64, DType::uint64},
  };
  return types;
}

const SafetensorsType* safetensors_type_named(std::string_view name) {
  for (const SafetensorsType& type : safetensors_types()) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

const SafetensorsType* safetensors_type_of(DType dtype) {
  for (const SafetensorsType& type : safetensors_types()) {
    if (type.dtype == dtype) return &type;
  }
  return nullptr;
}

void order_safetensors(std::vector<SafetensorsEntry>& entries) {
  for (const SafetensorsEntry& entry : entries) {
    for_tensor(entry, [&] {
      require_name(entry);
      require_type(entry.dtype);
      if (entry.dtype == DType::float4_e2m1fn_x2 && entry.shape.empty()) {
        throw Error(ErrorCode::unsupported,
                    "a packed type without dimensions has no form in safetensors; give it one: view(1)");
      }
    });
  }
  std::sort(entries.begin(), entries.end(), [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    return std::make_pair(safetensors_type_of(b.dtype), std::string_view(a.name)) <
           std::make_pair(safetensors_type_of(a.dtype), std::string_view(b.name));
  });
}

std::string safetensors_header(const std::vector<SafetensorsEntry>& entries,
                               const std::map<std::string, std::string>& metadata) {
  std::string json = "{";
  const auto member = [&json](std::string_view name) {
    if (json.back() != '{') json += ',';
    append_json_string(json, name);
    json += ':';
  };
  if (!metadata.empty()) {
    member(kSafetensorsMetadata);
    json += '{';
    for (const auto& [name, text] : metadata) {
      if (!is_strict_utf8(name) || !is_strict_utf8(text)) {
        throw Error(ErrorCode::invalid_argument, "the metadata of a safetensors file must be UTF-8");
      }
      member(name);
      append_json_string(json, text);
    }
    json += '}';
  }
  std::uint64_t end = 0;
  for (const SafetensorsEntry& entry : entries) {
    member(entry.name);
    json.append("{\"dtype\":\"").append(safetensors_type_of(entry.dtype)->name).append("\",\"shape\":");
    append_shape(json, entry);
    json.append(",\"data_offsets\":[").append(std::to_string(end)).append(",");
    end += entry.nbytes;
    json.append(std::to_string(end)).append("]}");
  }
  json += '}';
  json.append((kHeaderAlignment - json.size() % kHeaderAlignment) % kHeaderAlignment, ' ');
  if (json.size() > kLargestSafetensorsHeader) {
    throw Error(ErrorCode::unsupported, "its header would have " + std::to_string(json.size()) +
                                            " bytes, and readers refuse more than " +
                                            std::to_string(kLargestSafetensorsHeader) +
                                            "; save fewer tensors, or shards");
  }
  std::string header;
  for (std::size_t i = 0; i < 8; ++i) header += static_cast<char>(json.size() >> (8 * i) & 0xFF);
  return header + json;
}

}  // namespace torchferry
