#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace torchferry {

/// Element types, numbered as c10::ScalarType, so that both are converted by a cast.
enum class DType : std::int8_t {
  uint8 = 0,
  int8 = 1,
  int16 = 2,
  int32 = 3,
  int64 = 4,
  float16 = 5,
  float32 = 6,
  float64 = 7,
  complex32 = 8,
  complex64 = 9,
  complex128 = 10,
  boolean = 11,
  qint8 = 12,
  quint8 = 13,
  qint32 = 14,
  bfloat16 = 15,
  quint4x2 = 16,
  quint2x4 = 17,
  bits1x8 = 18,
  bits2x4 = 19,
  bits4x2 = 20,
  bits8 = 21,
  bits16 = 22,
  float8_e5m2 = 23,
  float8_e4m3fn = 24,
  float8_e5m2fnuz = 25,
  float8_e4m3fnuz = 26,
  uint16 = 27,
  uint32 = 28,
  uint64 = 29,
  float8_e8m0fnu = 44,
  float4_e2m1fn_x2 = 45,
};

/// torch's name of the type without the "torch." prefix: "float32", "bool", "bfloat16".
std::string_view name(DType dtype) noexcept;

/// Bytes per element as torch counts them; 1 for the packed types (quint4x2: two elements a byte).
std::size_t itemsize(DType dtype) noexcept;

/// Elements stored in one item: 2 for quint4x2, 4 for quint2x4, else 1 (float4_e2m1fn_x2 and the bits types
/// count packed items as elements).
std::size_t elements_per_item(DType dtype) noexcept;

/// Bytes of the unit that a byte order applies to: the component of a complex number, else the item.
std::size_t swap_width(DType dtype) noexcept;

bool is_complex(DType dtype) noexcept;
bool is_floating_point(DType dtype) noexcept;
bool is_quantized(DType dtype) noexcept;

/// The type of torch's name ("float32", "half" and the other aliases of torch), if there is one.
std::optional<DType> dtype_named(std::string_view torch_name) noexcept;

/// The type with this c10::ScalarType number, if it is one that checkpoints can hold.
std::optional<DType> dtype_numbered(int scalar_type) noexcept;

}  // namespace torchferry
