// The native methods of io.torchferry.TorchNative on C++ modules that are made by name.

#include <torchferry/native_module.h>

#include "handles.h"
#include "io_torchferry_TorchNative.h"
#include "java_arrays.h"
#include "java_errors.h"
#include "module_results.h"
#include "pack.h"
#include "read_versions.h"
#include "torch_errors.h"

using namespace torchferry;
using namespace torchferry::jni;

namespace {

/// What io.torchferry.NativeModule packs of its options.
ModuleConfig config_of(JNIEnv* env, jbyteArray packed) {
  enum Kind : std::int32_t { kBool, kInt, kFloat, kString };
  const std::string bytes = bytes_of(env, packed);
  PackReader in(bytes);
  std::map<std::string, ModuleConfig::Value> values;
  for (std::int32_t n = in.i32(); n > 0; --n) {
    std::string name = in.string();
    switch (in.i32()) {
      case kBool: values.insert_or_assign(std::move(name), in.i32() != 0); break;
      case kInt: values.insert_or_assign(std::move(name), in.i64()); break;
      case kFloat: values.insert_or_assign(std::move(name), in.f64()); break;
      default: values.insert_or_assign(std::move(name), in.string()); break;
    }
  }
  return ModuleConfig(std::move(values));
}

jbyteArray names_to_java(JNIEnv* env, const std::vector<std::string>& names) {
  PackWriter out;
  out.names(names);
  return new_bytes(env, out.bytes());
}

}  // namespace

jbyteArray Java_io_torchferry_TorchNative_nativeModuleNames(JNIEnv* env, jclass) {
  return guarded_torch(env, Reads::no, [&] { return names_to_java(env, NativeModule::names()); });
}

jbyteArray Java_io_torchferry_TorchNative_nativeModuleLoadLibrary(JNIEnv* env, jclass, jbyteArray path) {
  return guarded_torch(env, Reads::yes,
                       [&] { return names_to_java(env, NativeModule::load_library(bytes_of(env, path))); });
}

jlong Java_io_torchferry_TorchNative_nativeModuleCreate(JNIEnv* env, jclass, jbyteArray name, jbyteArray config,
                                                        jbyteArray device) {
  return guarded_torch(env, Reads::no, [&] {
    return to_java(NativeModule::create(bytes_of(env, name), config_of(env, config),
                                        Device::parse(bytes_of(env, device))));
  });
}

void Java_io_torchferry_TorchNative_nativeModuleDestroy(JNIEnv*, jclass, jlong module) {
  destroy<NativeModule>(module);
}

jlong Java_io_torchferry_TorchNative_nativeModuleStateDict(JNIEnv* env, jclass, jlong module) {
  return guarded_torch(env, Reads::no, [&] { return to_java(object_at<const NativeModule>(module).state_dict()); });
}

jbyteArray Java_io_torchferry_TorchNative_nativeModuleLoadStateDict(JNIEnv* env, jclass, jlong module, jlong values,
                                                                    jboolean strict, jboolean assign) {
  return guarded_torch(env, Reads::no, [&] {
    const auto& dict = object_at<const StateDict>(values);
    read_versions(dict);
    return load_into(env, object_at<NativeModule>(module), dict, strict, assign);
  });
}

jbyteArray Java_io_torchferry_TorchNative_nativeModuleCheckStateDict(JNIEnv* env, jclass, jlong module, jlong values,
                                                                     jboolean strict, jboolean assign) {
  return guarded_torch(env, Reads::no, [&] {
    const auto& dict = object_at<const StateDict>(values);
    read_versions(dict);
    const auto report = object_at<const NativeModule>(module).check_state_dict(dict, strict, assign);
    return new_bytes(env, packed_report(report));
  });
}

void Java_io_torchferry_TorchNative_nativeModuleTo(JNIEnv* env, jclass, jlong module, jbyteArray device) {
  guarded_torch(env, Reads::no,
                [&] { object_at<NativeModule>(module).to(Device::parse(bytes_of(env, device))); });
}

void Java_io_torchferry_TorchNative_nativeModuleCast(JNIEnv* env, jclass, jlong module, jint dtype) {
  guarded_torch(env, Reads::no, [&] { object_at<NativeModule>(module).cast(static_cast<DType>(dtype)); });
}

void Java_io_torchferry_TorchNative_nativeModuleTrain(JNIEnv* env, jclass, jlong module, jboolean on) {
  guarded_torch(env, Reads::no, [&] { object_at<NativeModule>(module).train(on); });
}

jboolean Java_io_torchferry_TorchNative_nativeModuleIsTraining(JNIEnv* env, jclass, jlong module) {
  return guarded_torch(env, Reads::no, [&] {
    return static_cast<jboolean>(object_at<const NativeModule>(module).is_training());
  });
}

jlongArray Java_io_torchferry_TorchNative_nativeModuleForward(JNIEnv* env, jclass, jlong module, jlongArray dicts,
                                                              jintArray indices) {
  return guarded_torch(env, Reads::no, [&] {
    const std::vector<at::Tensor> inputs = tensors_at(env, dicts, indices);
    return Results(object_at<const NativeModule>(module).forward(inputs)).hand_over(env);
  });
}
