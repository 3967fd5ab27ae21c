#include <torchferry/dtype.h>

#include <array>

namespace torchferry {
namespace {

enum class Nature : std::uint8_t { integer, floating, complex, quantized, bits };

struct Facts {
  DType dtype;
  std::string_view name;
  std::uint8_t itemsize;
  Nature nature;
};

constexpr Facts kFacts[] = {
    {DType::uint8, "uint8", 1, Nature::integer},
    {DType::int8, "int8", 1, Nature::integer},
    {DType::int16, "int16", 2, Nature::integer},
    {DType::int32, "int32", 4, Nature::integer},
    {DType::int64, "int64", 8, Nature::integer},
    {DType::float16, "float16", 2, Nature::floating},
    {DType::float32, "float32", 4, Nature::floating},
    {DType::float64, "float64", 8, Nature::floating},
    {DType::complex32, "complex32", 4, Nature::complex},
    {DType::complex64, "complex64", 8, Nature::complex},
    {DType::complex128, "complex128", 16, Nature::complex},
    {DType::boolean, "bool", 1, Nature::integer},
    {DType::qint8, "qint8", 1, Nature::quantized},
    {DType::quint8, "quint8", 1, Nature::quantized},
    {DType::qint32, "qint32", 4, Nature::quantized},
    {DType::bfloat16, "bfloat16", 2, Nature::floating},
    {DType::quint4x2, "quint4x2", 1, Nature::quantized},
    {DType::quint2x4, "quint2x4", 1, Nature::quantized},
    {DType::bits1x8, "bits1x8", 1, Nature::bits},
    {DType::bits2x4, "bits2x4", 1, Nature::bits},
    {DType::bits4x2, "bits4x2", 1, Nature::bits},
    {DType::bits8, "bits8", 1, Nature::bits},
    {DType::bits16, "bits16", 2, Nature::bits},
    {DType::float8_e5m2, "float8_e5m2", 1, Nature::floating},
    {DType::float8_e4m3fn, "float8_e4m3fn", 1, Nature::floating},
    {DType::float8_e5m2fnuz, "float8_e5m2fnuz", 1, Nature::floating},
    {DType::float8_e4m3fnuz, "float8_e4m3fnuz", 1, Nature::floating},
    {DType::uint16, "uint16", 2, Nature::integer},
    {DType::uint32, "uint32", 4, Nature::integer},
    {DType::uint64, "uint64", 8, Nature::integer},
    {DType::float8_e8m0fnu, "float8_e8m0fnu", 1, Nature::floating},
    {DType::float4_e2m1fn_x2, "float4_e2m1fn_x2", 1, Nature::floating},
};

constexpr int kNumbers = 46;

constexpr auto kByNumber = [] {
  std::array<const Facts*, kNumbers> table{};
  for (const Facts& facts : kFacts) table[static_cast<std::size_t>(facts.dtype)] = &facts;
  return table;
}();

const Facts& facts_of(DType dtype) noexcept { return *kByNumber[static_cast<std::size_t>(dtype)]; }

struct Alias {
  std::string_view name;
  DType dtype;
};

constexpr Alias kAliases[] = {
    {"half", DType::float16},   {"float", DType::float32},  {"double", DType::float64},
    {"short", DType::int16},    {"int", DType::int32},      {"long", DType::int64},
    {"chalf", DType::complex32}, {"cfloat", DType::complex64}, {"cdouble", DType::complex128},
};

}  // namespace

std::string_view name(DType dtype) noexcept { return facts_of(dtype).name; }

std::size_t itemsize(DType dtype) noexcept { return facts_of(dtype).itemsize; }

std::size_t elements_per_item(DType dtype) noexcept {
  if (dtype == DType::quint4x2) return 2;
  if (dtype == DType::quint2x4) return 4;
  return 1;
}

std::size_t swap_width(DType dtype) noexcept { return is_complex(dtype) ? itemsize(dtype) / 2 : itemsize(dtype); }

bool is_complex(DType dtype) noexcept { return facts_of(dtype).nature == Nature::complex; }

bool is_floating_point(DType dtype) noexcept { return facts_of(dtype).nature == Nature::floating; }

bool is_quantized(DType dtype) noexcept { return facts_of(dtype).nature == Nature::quantized; }

std::optional<DType> dtype_named(std::string_view torch_name) noexcept {
  for (const Facts& facts : kFacts) {
    if (facts.name == torch_name) return facts.dtype;
  }
  for (const Alias& alias : kAliases) {
    if (alias.name == torch_name) return alias.dtype;
  }
  return std::nullopt;
}

std::optional<DType> dtype_numbered(int scalar_type) noexcept {
  if (scalar_type < 0 || scalar_type >= kNumbers || !kByNumber[static_cast<std::size_t>(scalar_type)]) {
    return std::nullopt;
  }
  return static_cast<DType>(scalar_type);
}

}  // namespace torchferry
