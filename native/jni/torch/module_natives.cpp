// The native methods of io.torchferry.TorchNative on TorchScript modules.

#include <torchferry/devices.h>
#include <torchferry/script_module.h>

#include "handles.h"
#include "io_torchferry_TorchNative.h"
#include "java_arrays.h"
#include "java_errors.h"
#include "module_results.h"
#include "pack_ivalues.h"
#include "pinned_buffer.h"
#include "read_versions.h"
#include "torch_errors.h"

using namespace torchferry;
using namespace torchferry::jni;

jlong Java_io_torchferry_TorchNative_moduleLoad(JNIEnv* env, jclass, jbyteArray path, jbyteArray name,
                                                jbyteArray device) {
  return guarded_torch(env, Reads::yes, [&] {
    const std::string file = bytes_of(env, path);
    try {
      return to_java(ScriptModule::load(file, Device::parse(bytes_of(env, device))));
    } catch (const Error& error) {
      if (error.file() != file) throw;
      throw Error(error.code(), bytes_of(env, name), error.record(), error.offset(), error.message());
    }
  });
}

jlong Java_io_torchferry_TorchNative_moduleLoadMemory(JNIEnv* env, jclass, jobject memory, jbyteArray name,
                                                      jbyteArray device) {
  return guarded_torch(env, Reads::yes, [&] {
    return to_java(ScriptModule::load(memory_of(env, memory), Device::parse(bytes_of(env, device)),
                                      bytes_of(env, name)));
  });
}

void Java_io_torchferry_TorchNative_moduleDestroy(JNIEnv*, jclass, jlong module) {
  destroy<ScriptModule>(module);
}

jlong Java_io_torchferry_TorchNative_moduleStateDict(JNIEnv* env, jclass, jlong module) {
  return guarded_torch(env, Reads::no, [&] { return to_java(object_at<ScriptModule>(module).state_dict()); });
}

jbyteArray Java_io_torchferry_TorchNative_moduleLoadStateDict(JNIEnv* env, jclass, jlong module,
                                                              jlong values, jboolean strict, jboolean assign) {
  return guarded_torch(env, Reads::no, [&] {
    const auto& dict = object_at<const StateDict>(values);
    read_versions(dict);
    return load_into(env, object_at<ScriptModule>(module), dict, strict, assign);
  });
}

jbyteArray Java_io_torchferry_TorchNative_moduleCheckStateDict(JNIEnv* env, jclass, jlong module, jlong values,
                                                               jboolean strict, jboolean assign) {
  return guarded_torch(env, Reads::no, [&] {
    const auto& dict = object_at<const StateDict>(values);
    read_versions(dict);
    const auto report = object_at<const ScriptModule>(module).check_state_dict(dict, strict, assign);
    return new_bytes(env, packed_report(report));
  });
}

void Java_io_torchferry_TorchNative_moduleTo(JNIEnv* env, jclass, jlong module, jbyteArray device) {
  guarded_torch(env, Reads::no, [&] {
    object_at<ScriptModule>(module).to(Device::parse(bytes_of(env, device)));
  });
}

void Java_io_torchferry_TorchNative_moduleTrain(JNIEnv* env, jclass, jlong module, jboolean on) {
  guarded_torch(env, Reads::no, [&] { object_at<ScriptModule>(module).train(on); });
}

jboolean Java_io_torchferry_TorchNative_moduleIsTraining(JNIEnv* env, jclass, jlong module) {
  return guarded_torch(env, Reads::no,
                       [&] { return static_cast<jboolean>(object_at<ScriptModule>(module).is_training()); });
}

jbyteArray Java_io_torchferry_TorchNative_moduleTypeName(JNIEnv* env, jclass, jlong module) {
  return guarded_torch(env, Reads::no, [&] {
    return new_bytes(env, object_at<ScriptModule>(module).type_name());
  });
}

jlongArray Java_io_torchferry_TorchNative_moduleRun(JNIEnv* env, jclass, jlong pointer, jbyteArray method,
                                                    jlongArray dicts, jintArray indices) {
  return guarded_torch(env, Reads::no, [&] {
    const auto& module = object_at<const ScriptModule>(pointer);
    const std::vector<at::Tensor> inputs = tensors_at(env, dicts, indices);
    const std::string name = method == nullptr ? "forward" : bytes_of(env, method);
    return Results(module.run_method(name, inputs)).hand_over(env);
  });
}

jbyteArray Java_io_torchferry_TorchNative_moduleCall(JNIEnv* env, jclass, jlong module, jbyteArray method,
                                                     jbyteArray packed, jlongArray dicts, jintArray indices) {
  return guarded_torch(env, Reads::no, [&] {
    const std::vector<at::Tensor> tensors = tensors_at(env, dicts, indices);
    Arguments arguments = arguments_of(bytes_of(env, packed), tensors);
    PackedResult result(object_at<const ScriptModule>(module).call(
        bytes_of(env, method), std::move(arguments.values), std::move(arguments.named)));
    const jbyteArray bytes = new_bytes(env, result.bytes());
    result.handed_over();
    return bytes;
  });
}

void Java_io_torchferry_TorchNative_moduleSave(JNIEnv* env, jclass, jlong module, jbyteArray path) {
  guarded_torch(env, Reads::yes, [&] { object_at<const ScriptModule>(module).save(bytes_of(env, path)); });
}

void Java_io_torchferry_TorchNative_moduleCast(JNIEnv* env, jclass, jlong module, jint dtype) {
  guarded_torch(env, Reads::no, [&] { object_at<ScriptModule>(module).cast(static_cast<DType>(dtype)); });
}

jlong Java_io_torchferry_TorchNative_moduleFreeze(JNIEnv* env, jclass, jlong module) {
  return guarded_torch(env, Reads::no, [&] { return to_java(object_at<const ScriptModule>(module).freeze()); });
}
