// The native methods of io.torchferry.TorchNative on single tensors. What they make is a state dict of one,
// so that Java knows one kind of owner.

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <torchferry/devices.h>
#include <torchferry/state_dict.h>

#include "handles.h"
#include "io_torchferry_TorchNative.h"
#include "java_arrays.h"
#include "java_errors.h"
#include "pack_index.h"
#include "pinned_buffer.h"
#include "torch_errors.h"

using namespace torchferry;
using namespace torchferry::jni;

namespace {

const at::Tensor& tensor_at(jlong dict, jint index) {
  const auto& owner = object_at<const StateDict>(dict);
  if (index < 0 || static_cast<std::size_t>(index) >= owner.size()) {
    throw Error(ErrorCode::invalid_argument, "no tensor has the number " + std::to_string(index));
  }
  return owner.tensor(static_cast<std::size_t>(index));
}

c10::ScalarType scalar_type(jint number) {
  if (!dtype_numbered(number)) {
    throw Error(ErrorCode::invalid_argument, "no dtype has the number " + std::to_string(number));
  }
  return static_cast<c10::ScalarType>(number);
}

jlong alone(at::Tensor tensor) {
  return to_java(StateDict::of({{std::string(), std::move(tensor)}}, {false}));
}

/// Sparse tensors become dense; the parts of a nested one, whose shapes differ, stand behind each other.
at::Tensor dense_on_cpu(const at::Tensor& tensor) {
  if (tensor.is_meta()) throw Error(ErrorCode::unsupported, "a meta tensor has no elements");
  const at::Tensor here = tensor.to(c10::Device(c10::kCPU));
  if (here.is_nested()) {
    std::vector<at::Tensor> parts{at::empty({0}, here.options().layout(c10::kStrided))};
    for (const at::Tensor& part : here.unbind(0)) parts.push_back(part.reshape({-1}));
    return at::cat(parts);
  }
  return here.layout() == c10::kStrided ? here : here.to_dense();
}

/// The integers of a quantized tensor; else the elements, in `dtype` where there is one.
at::Tensor elements(const at::Tensor& tensor, jint dtype) {
  at::Tensor dense = dense_on_cpu(tensor);
  if (dense.is_quantized()) dense = dtype < 0 ? dense.int_repr() : dense.dequantize();
  dense = dense.resolve_conj().resolve_neg();
  if (dtype >= 0) dense = dense.to(scalar_type(dtype));
  return dense.contiguous();
}

}  // namespace

jlong Java_io_torchferry_TorchNative_empty(JNIEnv* env, jclass, jint dtype, jlongArray shape) {
  return guarded_torch(env, Reads::no, [&] {
    const at::NoGradGuard no_grad;
    const std::vector<jlong> given = longs_of(env, shape);
    const std::vector<std::int64_t> sizes(given.begin(), given.end());
    return alone(at::empty(sizes, c10::TensorOptions(scalar_type(dtype))));
  });
}

jlong Java_io_torchferry_TorchNative_tensorTo(JNIEnv* env, jclass, jlong dict, jint index,
                                              jbyteArray device) {
  return guarded_torch(env, Reads::no, [&] {
    const at::NoGradGuard no_grad;
    const Device target = require_device(Device::parse(bytes_of(env, device)));
    return alone(tensor_at(dict, index).to(to_c10(target)));
  });
}

jlong Java_io_torchferry_TorchNative_tensorCast(JNIEnv* env, jclass, jlong dict, jint index, jint dtype) {
  return guarded_torch(env, Reads::no, [&] {
    const at::NoGradGuard no_grad;
    return alone(tensor_at(dict, index).to(scalar_type(dtype)));
  });
}

jlong Java_io_torchferry_TorchNative_contiguous(JNIEnv* env, jclass, jlong dict, jint index) {
  return guarded_torch(env, Reads::no, [&] {
    const at::NoGradGuard no_grad;
    return alone(tensor_at(dict, index).resolve_conj().resolve_neg().contiguous());
  });
}

jlong Java_io_torchferry_TorchNative_elements(JNIEnv* env, jclass, jlong dict, jint index, jint dtype) {
  return guarded_torch(env, Reads::no, [&] {
    const at::NoGradGuard no_grad;
    return alone(elements(tensor_at(dict, index), dtype));
  });
}

jobject Java_io_torchferry_TorchNative_buffer(JNIEnv* env, jclass, jlong dict, jint index, jlong offset,
                                              jint length,
                                              jlongArray pin) {
  return guarded_torch(env, Reads::no, [&] {
    const at::Tensor& tensor = tensor_at(dict, index);
    // Asked again here, whatever Java believes: a module may have been changed since.
    if (!is_plain(tensor)) {
      throw Error(ErrorCode::invalid_argument, "only contiguous CPU tensors have their elements in place");
    }
    const auto* const start = static_cast<const std::byte*>(tensor.const_data_ptr());
    return new_buffer(env, {start, static_cast<std::size_t>(element_bytes(tensor))}, offset, length,
                      pin == nullptr ? nullptr : std::make_shared<const c10::Storage>(tensor.storage()), pin);
  });
}
