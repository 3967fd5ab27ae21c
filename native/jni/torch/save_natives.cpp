// The native method of io.torchferry.TorchNative that saves.

#include <torchferry/deep_stack.h>
#include <torchferry/save.h>

#include "arguments.h"
#include "handles.h"
#include "io_torchferry_TorchNative.h"
#include "java_arrays.h"
#include "java_errors.h"
#include "pack.h"
#include "read_content.h"
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
  options.format = static_cast<Format>(in.i32());
  const std::int64_t most = in.i64();
  if (most > 0) options.max_shard_bytes = static_cast<std::uint64_t>(most);
  options.repeat_shared = in.i32() != 0;
  options.metadata.clear();
  for (std::int32_t n = in.i32(); n > 0; --n) {
    std::string name = in.string();
    options.metadata.insert_or_assign(std::move(name), in.string());
  }
  options.ordered_dict = in.i32() != 0;
  options.alignment = static_cast<std::uint32_t>(in.i32());
  options.crc32 = in.i32() != 0;
  options.tags = in.i32() != 0 ? LocationTags::cpu : LocationTags::device;
  options.keep_parameters = in.i32() != 0;
  options.compact = in.i32() != 0;
  return options;
}

/// For io.torchferry.Saving: a file that is the path itself has no name.
std::string packed_report(const SaveReport& report, const std::filesystem::path& path) {
  PackWriter out;
  out.i64(static_cast<std::int64_t>(report.bytes));
  out.count(report.files.size());
  for (const auto& file : report.files) out.string(file == path ? std::string() : file.filename().native());
  out.count(report.repeated.size());
  for (const auto& [name, kept] : report.repeated) {
    out.string(name);
    out.string(kept);
  }
  return out.bytes();
}

template <class Object>
std::vector<const Object*> objects_at(JNIEnv* env, jlongArray pointers) {
  std::vector<const Object*> objects;
  for (const jlong pointer : longs_of(env, pointers)) objects.push_back(&object_at<const Object>(pointer));
  return objects;
}

}  // namespace

jbyteArray Java_io_torchferry_TorchNative_save(JNIEnv* env, jclass, jbyteArray packed,
                                               jlongArray dict_pointers, jlongArray checkpoint_pointers,
                                               jbyteArray path_bytes, jbyteArray packed_options,
                                               jlong progress) {
  return guarded_torch(env, Reads::yes, [&] {
    SaveOptions options = save_options(env, packed_options);
    if (progress != 0) options.progress = object_at<std::shared_ptr<Progress>>(progress);
    const auto dicts = objects_at<StateDict>(env, dict_pointers);
    for (const StateDict* dict : dicts) read_versions(*dict);
    const PackedContent content(bytes_of(env, packed), dicts,
                                objects_at<OpenedCheckpoint>(env, checkpoint_pointers));
    const std::filesystem::path path = bytes_of(env, path_bytes);
    const SaveReport report =
        on_stack_for(content.depth(), [&] { return save(content.root(), path, options); });
    return new_bytes(env, packed_report(report, path));
  });
}
