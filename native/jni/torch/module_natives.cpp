// The native methods of io.torchferry.TorchNative on TorchScript modules.

#include <torchferry/devices.h>
#include <torchferry/script_module.h>

#include "handles.h"
#include "io_torchferry_TorchNative.h"
#include "java_arrays.h"
#include "java_errors.h"
#include "pack.h"
#include "pinned_buffer.h"
#include "read_versions.h"
#include "torch_errors.h"

using namespace torchferry;
using namespace torchferry::jni;

namespace {

std::string packed_keys(const IncompatibleKeys& keys) {
  PackWriter out;
  out.names(keys.missing_keys);
  out.names(keys.unexpected_keys);
  return out.bytes();
}

std::string packed_report(const LoadStateReport& report) {
  PackWriter out;
  out.names(report.keys.missing_keys);
  out.names(report.keys.unexpected_keys);
  out.names(report.errors);
  out.names(report.warnings);
  out.string(report.message);
  return out.bytes();
}

/// New dicts of one tensor each, given back unless Java takes them all.
class Results {
 public:
  explicit Results(std::vector<at::Tensor> tensors) {
    pointers_.reserve(tensors.size());
    for (at::Tensor& tensor : tensors) {
      pointers_.push_back(to_java(StateDict::of({{std::string(), std::move(tensor)}}, {false})));
    }
  }
  Results(const Results&) = delete;
  Results& operator=(const Results&) = delete;
  ~Results() {
    for (const jlong pointer : pointers_) destroy<StateDict>(pointer);
  }

  jlongArray hand_over(JNIEnv* env) {
    const jlongArray array = new_longs(env, pointers_);
    pointers_.clear();
    return array;
  }

 private:
  std::vector<jlong> pointers_;
};

}  // namespace

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

jbyteArray Java_io_torchferry_TorchNative_moduleLoadStateDict(JNIEnv* env, jclass, jlong pointer,
                                                              jlong values, jboolean strict, jboolean assign) {
  return guarded_torch(env, Reads::no, [&]() -> jbyteArray {
    const auto& dict = object_at<const StateDict>(values);
    read_versions(dict);
    try {
      return new_bytes(env, packed_keys(object_at<ScriptModule>(pointer).load_state_dict(dict, strict, assign)));
    } catch (const IncompatibleKeysError& error) {
      throw_java(env, error, Reads::no, packed_keys(error.keys()));
      return nullptr;
    }
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
    const std::vector<jlong> owners = longs_of(env, dicts);
    const std::vector<jint> numbers = ints_of(env, indices);
    std::vector<at::Tensor> inputs;
    for (std::size_t i = 0; i < owners.size(); ++i) {
      inputs.push_back(object_at<const StateDict>(owners[i]).tensor(static_cast<std::size_t>(numbers.at(i))));
    }
    const std::string name = method == nullptr ? "forward" : bytes_of(env, method);
    return Results(module.run_method(name, inputs)).hand_over(env);
  });
}
