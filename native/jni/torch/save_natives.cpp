// The native method of io.torchferry.TorchNative that saves.

#include <torchferry/save.h>

#include "arguments.h"
#include "handles.h"
#include "io_torchferry_TorchNative.h"
#include "java_arrays.h"
#include "java_errors.h"
#include "pack.h"
#include "read_versions.h"
#include "torch_errors.h"

using namespace torchferry;
using namespace torchferry::jni;

namespace {

/// io.torchferry.SaveOptions.packed.
SaveOptions save_options(JNIEnv* env, jbyteArray packed) {
  const std::string bytes = bytes_of(env, packed);
  PackReader in(bytes);
  SaveOptions options;
  options.ordered_dict = in.i32() != 0;
  options.alignment = static_cast<std::uint32_t>(in.i32());
  options.crc32 = in.i32() != 0;
  options.tags = in.i32() != 0 ? LocationTags::cpu : LocationTags::device;
  options.keep_parameters = in.i32() != 0;
  options.compact = in.i32() != 0;
  return options;
}

}  // namespace

void Java_io_torchferry_TorchNative_save(JNIEnv* env, jclass, jlong dict, jbyteArray path,
                                         jbyteArray packed_options, jlong progress) {
  guarded_torch(env, Reads::yes, [&] {
    SaveOptions options = save_options(env, packed_options);
    if (progress != 0) options.progress = object_at<std::shared_ptr<Progress>>(progress);
    read_versions(object_at<const StateDict>(dict));
    save(object_at<const StateDict>(dict), bytes_of(env, path), options);
  });
}
