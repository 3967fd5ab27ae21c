#pragma once

#include <torchferry/dtype.h>

#include <optional>
#include <string_view>

namespace torchferry {

/// What PyTorch's global names stand for in a checkpoint, as facts about names: nothing is looked up in Python.

/// The element type of a storage class: "torch.FloatStorage", "torch.cuda.HalfStorage",
/// "torch.Float8_e4m3fnStorage" (as the C++ pickler writes). `untyped` for torch.storage.UntypedStorage.
struct StorageClass {
  DType dtype = DType::uint8;
  bool untyped = false;
};
std::optional<StorageClass> storage_class(std::string_view qualified_name);

/// The element type of a tensor class of PyTorch 0.3 and older: "torch.FloatTensor", "torch.cuda.LongTensor".
std::optional<DType> tensor_class(std::string_view qualified_name);

/// The element type that a dtype global names: "torch.float32".
std::optional<DType> dtype_global(std::string_view qualified_name);

/// What a callable that REDUCE names would have made of its arguments.
enum class Rebuild : unsigned char {
  unknown,
  tensor_v1,                 // _rebuild_tensor (storage, offset, size, stride)
  tensor_v2,                 // _rebuild_tensor_v2
  tensor_v3,                 // _rebuild_tensor_v3
  parameter,                 // _rebuild_parameter
  parameter_with_state,      // _rebuild_parameter_with_state
  parameter_class,           // torch.nn.parameter.Parameter
  variable_class,            // torch.autograd.variable.Variable, PyTorch 0.3 and older
  qtensor,                   // _rebuild_qtensor
  sparse,                    // _rebuild_sparse_tensor
  nested,                    // _rebuild_nested_tensor
  meta,                      // _rebuild_meta_tensor_no_storage
  device_tensor_from_cpu,    // _rebuild_device_tensor_from_cpu_tensor
  device_tensor_from_numpy,  // _rebuild_device_tensor_from_numpy, _rebuild_xla_tensor
  wrapper_subclass,          // _rebuild_wrapper_subclass
  from_type,                 // _rebuild_from_type(_v2)
  tensor_class_object,       // torch.FloatTensor and kin
  transparent,               // torch.jit._pickle.*: stands for its first argument
};
Rebuild rebuild_function(std::string_view qualified_name);

/// In torch.load(weights_only=True)'s allow-list of PyTorch 2.13.
bool is_weights_only_global(std::string_view qualified_name);

/// Plain data of Python and numpy that the value tree understands or keeps without loss, beyond the allow-list.
bool is_plain_data_global(std::string_view qualified_name);

}  // namespace torchferry
