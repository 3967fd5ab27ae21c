#include "table/element_values.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace torchferry {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class Number>
void decode_native(std::span<const std::byte> items, std::span<double> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Number value;
    std::memcpy(&value, items.data() + i * sizeof value, sizeof value);
    out[i] = static_cast<double>(value);
  }
}

/// IEEE 754 binary16, through binary32: moving the fields over leaves only the exponent's bias to be corrected, which
/// a multiplication does for subnormal numbers too.
float half_value(std::uint16_t bits) noexcept {
  const std::uint32_t magnitude = bits & 0x7FFFU;
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  if (magnitude >= 0x7C00U) return std::bit_cast<float>(sign | 0x7F80'0000U | (magnitude & 0x3FFU) << 13);
  const float value = std::bit_cast<float>(magnitude << 13) * 0x1p112F;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | sign);
}

void decode_half(std::span<const std::byte> items, std::span<double> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, items.data() + 2 * i, 2);
    out[i] = static_cast<double>(half_value(bits));
  }
}

void decode_bfloat16(std::span<const std::byte> items, std::span<double> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, items.data() + 2 * i, 2);
    out[i] = static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16));
  }
}

/// An 8-bit floating point type: a sign, an exponent, `mantissa` bits.
struct Float8 {
  int mantissa;
  int bias;
  /// Which codes are no numbers: as in IEEE 754, only the two with all bits set, or only the one of negative zero.
  enum class Special { ieee, all_ones, negative_zero } special;
};

double value_of(const Float8& type, unsigned code) {
  const double sign = (code & 0x80) != 0 ? -1 : 1;
  const unsigned magnitude = code & 0x7F;
  const unsigned exponent = magnitude >> type.mantissa;
  const unsigned fraction = magnitude & ((1U << type.mantissa) - 1);
  const unsigned last_exponent = 0x7FU >> type.mantissa;
  if (type.special == Float8::Special::ieee && exponent == last_exponent) return fraction == 0 ? sign * kInfinity : kNaN;
  if (type.special == Float8::Special::all_ones && magnitude == 0x7F) return kNaN;
  if (type.special == Float8::Special::negative_zero && code == 0x80) return kNaN;
  const double significand = exponent == 0 ? fraction : fraction + (1U << type.mantissa);
  const int power = (exponent == 0 ? 1 : static_cast<int>(exponent)) - type.bias - type.mantissa;
  return sign * std::ldexp(significand, power);
}

using Values = std::array<double, 256>;

Values float8_values(const Float8& type) {
  Values values{};
  for (unsigned code = 0; code < values.size(); ++code) values[code] = value_of(type, code);
  return values;
}

Values e8m0_values() {
  Values values{};
  for (int code = 0; code < 255; ++code) values[static_cast<std::size_t>(code)] = std::ldexp(1.0, code - 127);
  values[255] = kNaN;
  return values;
}

void look_up(const Values& values, std::span<const std::byte> items, std::span<double> out) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = values[std::to_integer<std::size_t>(items[i])];
}

}  // namespace

std::size_t numbers_per_item(DType dtype) noexcept {
  switch (dtype) {
    case DType::complex32:
    case DType::complex64:
    case DType::complex128: return 2;
    case DType::quint4x2:
    case DType::quint2x4:
    case DType::bits1x8:
    case DType::bits2x4:
    case DType::bits4x2:
    case DType::bits8:
    case DType::bits16:
    case DType::float4_e2m1fn_x2: return 0;
    default: return 1;
  }
}

void decode_numbers(DType dtype, std::span<const std::byte> items, std::span<double> out) {
  using enum Float8::Special;
  static const Values e5m2 = float8_values({2, 15, ieee});
  static const Values e4m3fn = float8_values({3, 7, all_ones});
  static const Values e5m2fnuz = float8_values({2, 16, negative_zero});
  static const Values e4m3fnuz = float8_values({3, 8, negative_zero});
  static const Values e8m0 = e8m0_values();
  switch (dtype) {
    case DType::boolean:
    case DType::quint8:
    case DType::uint8: return decode_native<std::uint8_t>(items, out);
    case DType::qint8:
    case DType::int8: return decode_native<std::int8_t>(items, out);
    case DType::int16: return decode_native<std::int16_t>(items, out);
    case DType::uint16: return decode_native<std::uint16_t>(items, out);
    case DType::qint32:
    case DType::int32: return decode_native<std::int32_t>(items, out);
    case DType::uint32: return decode_native<std::uint32_t>(items, out);
    case DType::int64: return decode_native<std::int64_t>(items, out);
    case DType::uint64: return decode_native<std::uint64_t>(items, out);
    case DType::complex64:
    case DType::float32: return decode_native<float>(items, out);
    case DType::complex128:
    case DType::float64: return decode_native<double>(items, out);
    case DType::complex32:
    case DType::float16: return decode_half(items, out);
    case DType::bfloat16: return decode_bfloat16(items, out);
    case DType::float8_e5m2: return look_up(e5m2, items, out);
    case DType::float8_e4m3fn: return look_up(e4m3fn, items, out);
    case DType::float8_e5m2fnuz: return look_up(e5m2fnuz, items, out);
    case DType::float8_e4m3fnuz: return look_up(e4m3fnuz, items, out);
    case DType::float8_e8m0fnu: return look_up(e8m0, items, out);
    default: break;
  }
}

}  // namespace torchferry
