// C++ code of a host application that links to Torchferry by itself: what Java hands over comes back changed.

#include <jni.h>
#include <torchferry/handles.h>

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

namespace {

jint throw_runtime_exception(JNIEnv* env, const char* message) {
  return env->ThrowNew(env->FindClass("java/lang/RuntimeException"), message);
}

}  // namespace

extern "C" {

/// Doubles the first tensor in place and gives all tensors back under longer names.
JNIEXPORT jlong JNICALL Java_io_torchferry_HandOverTest_doubled(JNIEnv* env, jclass, jlong handle) {
  try {
    const torchferry::StateDict dict = torchferry::take(handle);
    std::vector<std::pair<std::string, at::Tensor>> items;
    for (std::size_t i = 0; i < dict.size(); ++i) items.emplace_back("host." + std::string(dict.key(i)), dict.tensor(i));
    items.at(0).second.mul_(2);
    return torchferry::share(torchferry::StateDict::of(std::move(items)));
  } catch (const std::exception& error) {
    throw_runtime_exception(env, error.what());
    return 0;
  }
}

/// Lets go of a dict that was handed over.
JNIEXPORT void JNICALL Java_io_torchferry_HandOverTest_giveUp(JNIEnv* env, jclass, jlong handle) {
  try {
    torchferry::release(handle);
  } catch (const std::exception& error) {
    throw_runtime_exception(env, error.what());
  }
}

}  // extern "C"
