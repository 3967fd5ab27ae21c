// The native methods of io.torchferry.TorchNative on models that AOTInductor compiled.

#include <torchferry/aoti_module.h>

#include "handles.h"
#include "io_torchferry_TorchNative.h"
#include "java_arrays.h"
#include "java_errors.h"
#include "module_results.h"
#include "pack.h"
#include "pinned_buffer.h"
#include "read_versions.h"
#include "torch_errors.h"

using namespace torchferry;
using namespace torchferry::jni;

namespace {

AotiOptions options_of(JNIEnv* env, jbyteArray model, jint runners, jbyteArray folder) {
  return {.model = bytes_of(env, model),
          .runners = runners < 0 ? 0 : static_cast<std::size_t>(runners),
          .folder = bytes_of(env, folder)};
}

}  // namespace

jlong Java_io_torchferry_TorchNative_aotiLoad(JNIEnv* env, jclass, jbyteArray path, jbyteArray name, jbyteArray device,
                                              jbyteArray model, jint runners, jbyteArray folder) {
  return guarded_torch(env, Reads::yes, [&] {
    const std::string file = bytes_of(env, path);
    try {
      return to_java(AotiModule::load(file, Device::parse(bytes_of(env, device)),
                                      options_of(env, model, runners, folder)));
    } catch (const Error& error) {
      if (error.file() != file) throw;
      throw Error(error.code(), bytes_of(env, name), error.record(), error.offset(), error.message());
    }
  });
}

jlong Java_io_torchferry_TorchNative_aotiLoadMemory(JNIEnv* env, jclass, jobject memory, jbyteArray name,
                                                    jbyteArray device, jbyteArray model, jint runners,
                                                    jbyteArray folder) {
  return guarded_torch(env, Reads::yes, [&] {
    return to_java(AotiModule::load(memory_of(env, memory), Device::parse(bytes_of(env, device)), bytes_of(env, name),
                                    options_of(env, model, runners, folder)));
  });
}

void Java_io_torchferry_TorchNative_aotiDestroy(JNIEnv*, jclass, jlong module) { destroy<AotiModule>(module); }

jbyteArray Java_io_torchferry_TorchNative_aotiMetadata(JNIEnv* env, jclass, jlong module) {
  return guarded_torch(env, Reads::no, [&] {
    std::vector<std::string> texts;
    for (const auto& [key, value] : object_at<const AotiModule>(module).metadata()) {
      texts.push_back(key);
      texts.push_back(value);
    }
    PackWriter out;
    out.names(texts);
    return new_bytes(env, out.bytes());
  });
}

jlong Java_io_torchferry_TorchNative_aotiStateDict(JNIEnv* env, jclass, jlong module) {
  return guarded_torch(env, Reads::no, [&] { return to_java(object_at<const AotiModule>(module).state_dict()); });
}

jbyteArray Java_io_torchferry_TorchNative_aotiLoadStateDict(JNIEnv* env, jclass, jlong module, jlong values,
                                                            jboolean strict, jboolean assign) {
  return guarded_torch(env, Reads::no, [&] {
    const auto& dict = object_at<const StateDict>(values);
    read_versions(dict);
    return load_into(env, object_at<AotiModule>(module), dict, strict, assign);
  });
}

jbyteArray Java_io_torchferry_TorchNative_aotiCheckStateDict(JNIEnv* env, jclass, jlong module, jlong values,
                                                             jboolean strict, jboolean assign) {
  return guarded_torch(env, Reads::no, [&] {
    const auto& dict = object_at<const StateDict>(values);
    read_versions(dict);
    return new_bytes(env, packed_report(object_at<const AotiModule>(module).check_state_dict(dict, strict, assign)));
  });
}

jlongArray Java_io_torchferry_TorchNative_aotiForward(JNIEnv* env, jclass, jlong module, jlongArray dicts,
                                                      jintArray indices) {
  return guarded_torch(env, Reads::no, [&] {
    const std::vector<at::Tensor> inputs = tensors_at(env, dicts, indices);
    return Results(object_at<const AotiModule>(module).forward(inputs)).hand_over(env);
  });
}
