#include "table/torch_names.h"

#include <array>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace torchferry {
namespace {

using Names = std::unordered_set<std::string_view>;

struct Class {
  std::string_view stem;
  DType dtype;
};

// The stems that Python's classes use ("Float" of torch.FloatStorage).
constexpr Class kPythonClasses[] = {
    {"Byte", DType::uint8},         {"Char", DType::int8},          {"Short", DType::int16},
    {"Int", DType::int32},          {"Long", DType::int64},         {"Half", DType::float16},
    {"Float", DType::float32},      {"Double", DType::float64},     {"ComplexFloat", DType::complex64},
    {"ComplexDouble", DType::complex128}, {"Bool", DType::boolean}, {"BFloat16", DType::bfloat16},
    {"QInt8", DType::qint8},        {"QUInt8", DType::quint8},      {"QInt32", DType::qint32},
    {"QUInt4x2", DType::quint4x2},  {"QUInt2x4", DType::quint2x4},
};

// Stems that only libtorch's C++ pickler writes: c10::toString of the scalar type.
constexpr Class kCppClasses[] = {
    {"ComplexHalf", DType::complex32},
    {"Bits1x8", DType::bits1x8},
    {"Bits2x4", DType::bits2x4},
    {"Bits4x2", DType::bits4x2},
    {"Bits8", DType::bits8},
    {"Bits16", DType::bits16},
    {"Float8_e5m2", DType::float8_e5m2},
    {"Float8_e4m3fn", DType::float8_e4m3fn},
    {"Float8_e5m2fnuz", DType::float8_e5m2fnuz},
    {"Float8_e4m3fnuz", DType::float8_e4m3fnuz},
    {"Float8_e8m0fnu", DType::float8_e8m0fnu},
    {"Float4_e2m1fn_x2", DType::float4_e2m1fn_x2},
    {"UInt16", DType::uint16},
    {"UInt32", DType::uint32},
    {"UInt64", DType::uint64},
};

std::optional<DType> class_dtype(std::string_view stem, bool cpp_names) {
  for (const Class& one : kPythonClasses) {
    if (one.stem == stem) return one.dtype;
  }
  if (cpp_names) {
    for (const Class& one : kCppClasses) {
      if (one.stem == stem) return one.dtype;
    }
  }
  return std::nullopt;
}

bool strip_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool strip_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

constexpr std::array<std::string_view, 5> kQSchemes = {
    "torch.per_tensor_affine", "torch.per_channel_affine", "torch.per_channel_affine_float_qparams",
    "torch.per_tensor_symmetric", "torch.per_channel_symmetric"};

const std::unordered_map<std::string_view, Rebuild>& rebuild_functions() {
  static const std::unordered_map<std::string_view, Rebuild> functions = {
      {"torch._utils._rebuild_tensor", Rebuild::tensor_v1},
      {"torch._utils._rebuild_tensor_v2", Rebuild::tensor_v2},
      {"torch._utils._rebuild_tensor_v3", Rebuild::tensor_v3},
      {"torch._utils._rebuild_parameter", Rebuild::parameter},
      {"torch._utils._rebuild_parameter_with_state", Rebuild::parameter_with_state},
      {"torch.nn.parameter.Parameter", Rebuild::parameter_class},
      {"torch.autograd.variable.Variable", Rebuild::variable_class},
      {"torch._utils._rebuild_qtensor", Rebuild::qtensor},
      {"torch._utils._rebuild_sparse_tensor", Rebuild::sparse},
      {"torch._utils._rebuild_nested_tensor", Rebuild::nested},
      {"torch._utils._rebuild_meta_tensor_no_storage", Rebuild::meta},
      {"torch._utils._rebuild_device_tensor_from_cpu_tensor", Rebuild::device_tensor_from_cpu},
      {"torch._utils._rebuild_device_tensor_from_numpy", Rebuild::device_tensor_from_numpy},
      {"torch._utils._rebuild_xla_tensor", Rebuild::device_tensor_from_numpy},
      {"torch._utils._rebuild_wrapper_subclass", Rebuild::wrapper_subclass},
      {"torch._tensor._rebuild_from_type_v2", Rebuild::from_type},
      {"torch._tensor._rebuild_from_type", Rebuild::from_type},
      {"torch.tensor._rebuild_from_type", Rebuild::from_type},
      {"torch.jit._pickle.build_intlist", Rebuild::transparent},
      {"torch.jit._pickle.build_tensorlist", Rebuild::transparent},
      {"torch.jit._pickle.build_doublelist", Rebuild::transparent},
      {"torch.jit._pickle.build_boollist", Rebuild::transparent},
      {"torch.jit._pickle.restore_type_tag", Rebuild::transparent},
  };
  return functions;
}

}  // namespace

std::optional<StorageClass> storage_class(std::string_view name) {
  if (name == "torch.storage.UntypedStorage" || name == "torch.storage._UntypedStorage" ||
      name == "torch.UntypedStorage" || name == "torch.cuda.UntypedStorage") {
    return StorageClass{DType::uint8, true};
  }
  if (!strip_suffix(name, "Storage") || !strip_prefix(name, "torch.")) return std::nullopt;
  if (!strip_prefix(name, "cuda.")) strip_prefix(name, "storage.");
  const std::optional<DType> dtype = class_dtype(name, true);
  if (!dtype) return std::nullopt;
  return StorageClass{*dtype, false};
}

std::optional<DType> tensor_class(std::string_view name) {
  if (!strip_suffix(name, "Tensor") || !strip_prefix(name, "torch.")) return std::nullopt;
  strip_prefix(name, "cuda.");
  return class_dtype(name, false);
}

std::optional<DType> dtype_global(std::string_view name) {
  if (!strip_prefix(name, "torch.")) return std::nullopt;
  return dtype_named(name);
}

Rebuild rebuild_function(std::string_view name) {
  const auto& functions = rebuild_functions();
  const auto found = functions.find(name);
  if (found != functions.end()) return found->second;
  return name.ends_with("Tensor") && tensor_class(name) ? Rebuild::tensor_class_object : Rebuild::unknown;
}

bool is_weights_only_global(std::string_view name) {
  static const Names exact = {
      "_codecs.encode",
      "builtins.bytearray",
      "builtins.complex",
      "builtins.set",
      "collections.Counter",
      "collections.OrderedDict",
      "torch.Size",
      "torch.Tensor",
      "torch.device",
      "torch.nn.parameter.Parameter",
      "torch.serialization._get_layout",
      "torch.storage.TypedStorage",
      "torch.storage.UntypedStorage",
      "torch._tensor._rebuild_from_type_v2",
      "torch._utils._rebuild_parameter",
      "torch._utils._rebuild_parameter_with_state",
      "torch._utils._rebuild_qtensor",
      "torch._utils._rebuild_tensor",
      "torch._utils._rebuild_tensor_v2",
      "torch._utils._rebuild_tensor_v3",
      "torch._utils._rebuild_sparse_tensor",
      "torch._utils._rebuild_meta_tensor_no_storage",
      "torch._utils._rebuild_nested_tensor",
      "torch._utils._rebuild_wrapper_subclass",
      "torch._utils._rebuild_device_tensor_from_numpy",
      "torch._utils._rebuild_device_tensor_from_cpu_tensor",
  };
  if (exact.contains(name)) return true;
  for (const std::string_view qscheme : kQSchemes) {
    if (qscheme == name) return true;
  }
  if (!strip_prefix(name, "torch.")) return false;
  static const Names sub_byte = {"int1", "int2", "int3", "int4", "int5", "int6", "int7",
                                 "uint1", "uint2", "uint3", "uint4", "uint5", "uint6", "uint7"};
  if (sub_byte.contains(name)) return true;
  if (const std::optional<DType> dtype = dtype_named(name); dtype && torchferry::name(*dtype) == name) return true;
  const bool cuda = strip_prefix(name, "cuda.");
  const bool sparse = strip_prefix(name, "sparse.");
  if (strip_suffix(name, "Storage")) {
    const std::optional<DType> dtype = class_dtype(name, false);
    return !sparse && dtype && !(cuda && is_quantized(*dtype));
  }
  if (!strip_suffix(name, "Tensor")) return false;
  const std::optional<DType> dtype = class_dtype(name, false);
  return dtype && !is_quantized(*dtype) && !is_complex(*dtype) && !(sparse && *dtype == DType::boolean);
}

bool is_plain_data_global(std::string_view name) {
  static const Names plain = {
      "builtins.bytes",
      "builtins.frozenset",
      "builtins.list",
      "builtins.dict",
      "builtins.tuple",
      "builtins.int",
      "builtins.float",
      "builtins.str",
      "builtins.bool",
      "builtins.slice",
      "builtins.range",
      "collections.defaultdict",
      "collections.deque",
      "numpy.dtype",
      "numpy.ndarray",
      "numpy.core.multiarray.scalar",
      "numpy._core.multiarray.scalar",
      "numpy.core.multiarray._reconstruct",
      "numpy._core.multiarray._reconstruct",
      "numpy.core.numeric._frombuffer",
      "numpy._core.numeric._frombuffer",
      "torch.autograd.variable.Variable",
      "torch.nn.parameter.Buffer",
      "torch.tensor._rebuild_from_type",
      "torch._tensor._rebuild_from_type",
      "torch._utils._rebuild_xla_tensor",
      "torch.storage._UntypedStorage",
  };
  return plain.contains(name) || rebuild_function(name) == Rebuild::transparent || storage_class(name).has_value();
}

}  // namespace torchferry
