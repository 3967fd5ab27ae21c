#pragma once

#include <torchferry/dtype.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry {

/// An element type of the safetensors format.
struct SafetensorsType {
  std::string_view name;
  std::uint32_t bits;
  std::optional<DType> dtype;  ///< none: torch has no such type
};

/// All of them, in the format's order: tensors are written from the last to the first.
const std::vector<SafetensorsType>& safetensors_types();
/// Null where there is none.
const SafetensorsType* safetensors_type_named(std::string_view name);
const SafetensorsType* safetensors_type_of(DType dtype);

/// The format's name of the metadata in the header, which no tensor can have.
inline constexpr std::string_view kSafetensorsMetadata = "__metadata__";
/// Headers beyond this many bytes are refused by every reader.
inline constexpr std::uint64_t kLargestSafetensorsHeader = 100'000'000;

/// One tensor of a file to be.
struct SafetensorsEntry {
  std::string name;
  DType dtype;
  std::vector<std::int64_t> shape;  ///< torch's; packed types have twice as many elements in the file
  std::uint64_t nbytes;
  std::size_t index = 0;  ///< the caller's number for it
};

/// Puts entries into the order in which their bytes stand in the file. Throws Error(unsupported) for a dtype
/// that the format does not have, Error(invalid_argument) for a name that it cannot hold.
void order_safetensors(std::vector<SafetensorsEntry>& entries);

/// What the file begins with: the length, the JSON header and its padding. The entries are in order. Throws
/// Error(unsupported) when it is too large.
std::string safetensors_header(const std::vector<SafetensorsEntry>& entries,
                               const std::map<std::string, std::string>& metadata);

}  // namespace torchferry
