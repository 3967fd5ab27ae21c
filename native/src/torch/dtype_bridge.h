#pragma once

#include <c10/core/ScalarType.h>
#include <torchferry/dtype.h>

namespace torchferry {

// DType carries c10's numbers; these are the ends and the places where the numbering has a gap.
static_assert(static_cast<int>(c10::ScalarType::Byte) == static_cast<int>(DType::uint8));
static_assert(static_cast<int>(c10::ScalarType::Bool) == static_cast<int>(DType::boolean));
static_assert(static_cast<int>(c10::ScalarType::BFloat16) == static_cast<int>(DType::bfloat16));
static_assert(static_cast<int>(c10::ScalarType::Bits16) == static_cast<int>(DType::bits16));
static_assert(static_cast<int>(c10::ScalarType::UInt64) == static_cast<int>(DType::uint64));
static_assert(static_cast<int>(c10::ScalarType::Float8_e8m0fnu) == static_cast<int>(DType::float8_e8m0fnu));
static_assert(static_cast<int>(c10::ScalarType::Float4_e2m1fn_x2) ==
              static_cast<int>(DType::float4_e2m1fn_x2));

inline c10::ScalarType to_c10(DType dtype) noexcept { return static_cast<c10::ScalarType>(dtype); }

}  // namespace torchferry
