// The native methods of io.torchferry.TorchNative on loads whose tensors are used as they arrive.

#include <torchferry/streaming_load.h>

#include "arguments.h"
#include "handles.h"
#include "io_torchferry_TorchNative.h"
#include "java_arrays.h"
#include "read_versions.h"
#include "torch_errors.h"

using namespace torchferry;
using namespace torchferry::jni;

jlong Java_io_torchferry_TorchNative_streamStart(JNIEnv* env, jclass, jlong pointer, jbyteArray path,
                                                 jintArray selected, jbyteArray packed_options, jlong progress) {
  return guarded_torch(env, Reads::yes, [&] {
    const auto& opened = object_at<const OpenedCheckpoint>(pointer);
    note_depth(opened.depth);
    std::vector<std::string> steps = path_of(env, path);
    const std::vector<Entry> entries = entries_of(env, opened, steps, selected);
    LoadOptions options = load_options(env, packed_options);
    options.progress = object_at<std::shared_ptr<Progress>>(progress);
    return to_java(StreamingLoad(opened.checkpoint, entries, options, std::move(steps)));
  });
}

void Java_io_torchferry_TorchNative_streamDestroy(JNIEnv*, jclass, jlong load) { destroy<StreamingLoad>(load); }

jboolean Java_io_torchferry_TorchNative_streamContains(JNIEnv* env, jclass, jlong load, jbyteArray key) {
  return guarded(env, Reads::no, [&]() -> jboolean {
    return object_at<const StreamingLoad>(load).contains(bytes_of(env, key)) ? JNI_TRUE : JNI_FALSE;
  });
}

jlong Java_io_torchferry_TorchNative_streamAwait(JNIEnv* env, jclass, jlong load, jbyteArray key, jboolean in_stream) {
  return guarded_torch(env, Reads::yes, [&] {
    auto& stream = object_at<StreamingLoad>(load);
    const std::string name = bytes_of(env, key);
    at::Tensor tensor = in_stream == JNI_TRUE ? stream.await_in_stream(name) : stream.await(name);
    return to_java(StateDict::of({{name, std::move(tensor)}}));
  });
}

jlong Java_io_torchferry_TorchNative_streamNext(JNIEnv* env, jclass, jlong load) {
  return guarded_torch(env, Reads::yes, [&]() -> jlong {
    auto batch = object_at<StreamingLoad>(load).next();
    return batch ? to_java(std::move(*batch)) : 0;
  });
}

jlong Java_io_torchferry_TorchNative_streamFinish(JNIEnv* env, jclass, jlong load) {
  return guarded_torch(env, Reads::yes, [&] { return to_java(object_at<StreamingLoad>(load).finish()); });
}

void Java_io_torchferry_TorchNative_streamCancel(JNIEnv* env, jclass, jlong load) {
  guarded(env, Reads::no, [&] { object_at<StreamingLoad>(load).cancel(); });
}
