// The native methods of io.torchferry.TorchNative on whole state dicts.

#include <torchferry/devices.h>
#include <torchferry/handles.h>
#include <torchferry/state_dict.h>

#include "arguments.h"
#include "handles.h"
#include "io_torchferry_TorchNative.h"
#include "java_arrays.h"
#include "java_errors.h"
#include "pack.h"
#include "pack_index.h"
#include "read_versions.h"
#include "torch_errors.h"

using namespace torchferry;
using namespace torchferry::jni;

namespace {

using ProgressHandle = std::shared_ptr<Progress>;

std::vector<std::size_t> indices_of(JNIEnv* env, jintArray array, std::size_t size) {
  std::vector<std::size_t> indices;
  for (const jint index : ints_of(env, array)) {
    if (index < 0 || static_cast<std::size_t>(index) >= size) {
      throw Error(ErrorCode::invalid_argument, "no tensor has the number " + std::to_string(index));
    }
    indices.push_back(static_cast<std::size_t>(index));
  }
  return indices;
}

ModuleVersions versions_of(JNIEnv* env, jbyteArray packed) {
  const std::string bytes = bytes_of(env, packed);
  PackReader in(bytes);
  ModuleVersions versions;
  for (std::int32_t n = in.i32(); n > 0; --n) {
    std::string module = in.string();
    versions.emplace_back(std::move(module), in.i64());
  }
  return versions;
}

}  // namespace

jbyteArray Java_io_torchferry_TorchNative_plan(JNIEnv* env, jclass, jlong pointer, jbyteArray path,
                                               jintArray selected,
                                               jbyteArray options) {
  return guarded_torch(env, Reads::yes, [&] {
    const auto& opened = object_at<const OpenedCheckpoint>(pointer);
    const std::vector<Entry> entries = entries_of(env, opened, path_of(env, path), selected);
    const LoadPlan made = plan(opened.checkpoint, entries, load_options(env, options), torch_catalog());
    return new_bytes(env, packed_plan(made));
  });
}

jlong Java_io_torchferry_TorchNative_load(JNIEnv* env, jclass, jlong pointer, jbyteArray path,
                                          jintArray selected,
                                          jbyteArray packed_options, jlong progress) {
  return guarded_torch(env, Reads::yes, [&] {
    const auto& opened = object_at<const OpenedCheckpoint>(pointer);
    note_depth(opened.depth);
    std::vector<std::string> steps = path_of(env, path);
    const std::vector<Entry> entries = entries_of(env, opened, steps, selected);
    LoadOptions options = load_options(env, packed_options);
    if (progress != 0) options.progress = object_at<ProgressHandle>(progress);
    return to_java(StateDict::load(opened.checkpoint, entries, options, std::move(steps)));
  });
}

void Java_io_torchferry_TorchNative_destroy(JNIEnv*, jclass, jlong dict) { destroy<StateDict>(dict); }

jlong Java_io_torchferry_TorchNative_share(JNIEnv* env, jclass, jlong pointer) {
  return guarded_torch(env, Reads::no, [&] {
    const auto& dict = object_at<const StateDict>(pointer);
    read_versions(dict);
    return static_cast<jlong>(share(dict));
  });
}

jlong Java_io_torchferry_TorchNative_take(JNIEnv* env, jclass, jlong handle) {
  return guarded_torch(env, Reads::no, [&] { return to_java(take(handle)); });
}

jbyteArray Java_io_torchferry_TorchNative_index(JNIEnv* env, jclass, jlong dict) {
  return guarded_torch(env, Reads::no,
                       [&] { return new_bytes(env, packed_index(object_at<const StateDict>(dict))); });
}

jbyteArray Java_io_torchferry_TorchNative_report(JNIEnv* env, jclass, jlong dict) {
  return guarded(env, Reads::no, [&] {
    const LoadReport& report = object_at<const StateDict>(dict).report();
    PackWriter out;
    out.i64(report.plan.count());
    out.i64(report.transfer.count());
    out.i64(report.tensors.count());
    out.i64(static_cast<std::int64_t>(report.bytes_mapped));
    out.i64(static_cast<std::int64_t>(report.bytes_read));
    out.i64(static_cast<std::int64_t>(report.bytes_copied_to_devices));
    out.i64(static_cast<std::int64_t>(report.bytes_pinned));
    out.count(report.skipped.size());
    for (const auto& [key, reason] : report.skipped) {
      out.string(key);
      out.string(reason);
    }
    return new_bytes(env, out.bytes());
  });
}

jbyteArray Java_io_torchferry_TorchNative_versions(JNIEnv* env, jclass, jlong pointer) {
  return guarded(env, Reads::no, [&] {
    const auto& dict = object_at<const StateDict>(pointer);
    read_versions(dict);
    PackWriter out;
    out.i32(dict.has_metadata() ? 1 : 0);
    out.count(dict.versions().size());
    for (const auto& [module, version] : dict.versions()) {
      out.string(module);
      out.i64(version);
    }
    return new_bytes(env, out.bytes());
  });
}

jbyteArray Java_io_torchferry_TorchNative_bytesByDevice(JNIEnv* env, jclass, jlong dict) {
  return guarded_torch(env, Reads::no, [&] {
    const auto bytes = object_at<const StateDict>(dict).bytes_by_device();
    PackWriter out;
    out.count(bytes.size());
    for (const auto& [device, size] : bytes) {
      out.string(device.str());
      out.i64(static_cast<std::int64_t>(size));
    }
    return new_bytes(env, out.bytes());
  });
}

jlong Java_io_torchferry_TorchNative_select(JNIEnv* env, jclass, jlong pointer, jintArray indices,
                                            jbyteArray keys,
                                            jbyteArray versions) {
  return guarded_torch(env, Reads::no, [&] {
    const auto& dict = object_at<const StateDict>(pointer);
    std::optional<ModuleVersions> renamed;
    if (versions != nullptr) renamed = versions_of(env, versions);
    std::vector<std::string> names;
    if (keys != nullptr) names = path_of(env, keys);
    return to_java(dict.select(indices_of(env, indices, dict.size()), std::move(names), std::move(renamed)));
  });
}

jlong Java_io_torchferry_TorchNative_renamed(JNIEnv* env, jclass, jlong pointer, jbyteArray names) {
  return guarded_torch(env, Reads::no, [&] {
    const auto& dict = object_at<const StateDict>(pointer);
    read_versions(dict);
    return to_java(dict.renamed(path_of(env, names)));
  });
}

jlong Java_io_torchferry_TorchNative_withPrefixStripped(JNIEnv* env, jclass, jlong pointer, jbyteArray prefix) {
  return guarded_torch(env, Reads::no, [&] {
    const auto& dict = object_at<const StateDict>(pointer);
    read_versions(dict);
    return to_java(dict.with_prefix_stripped(bytes_of(env, prefix)));
  });
}

jlong Java_io_torchferry_TorchNative_submodule(JNIEnv* env, jclass, jlong pointer, jbyteArray module) {
  return guarded_torch(env, Reads::no, [&] {
    const auto& dict = object_at<const StateDict>(pointer);
    read_versions(dict);
    return to_java(dict.submodule(bytes_of(env, module)));
  });
}

jlong Java_io_torchferry_TorchNative_to(JNIEnv* env, jclass, jlong dict, jbyteArray device) {
  return guarded_torch(env, Reads::no, [&] {
    return to_java(object_at<const StateDict>(dict).to(Device::parse(bytes_of(env, device))));
  });
}

jlong Java_io_torchferry_TorchNative_cast(JNIEnv* env, jclass, jlong dict, jint dtype) {
  return guarded_torch(env, Reads::no, [&] {
    return to_java(object_at<const StateDict>(dict).cast(static_cast<DType>(dtype)));
  });
}

jlong Java_io_torchferry_TorchNative_of(JNIEnv* env, jclass, jlongArray dicts, jintArray indices,
                                        jbyteArray keys) {
  return guarded_torch(env, Reads::no, [&] {
    const std::vector<jlong> owners = longs_of(env, dicts);
    const std::vector<jint> numbers = ints_of(env, indices);
    std::vector<std::string> names = path_of(env, keys);
    std::vector<std::pair<std::string, at::Tensor>> items;
    std::vector<bool> parameters;
    for (std::size_t i = 0; i < owners.size(); ++i) {
      const auto& owner = object_at<const StateDict>(owners[i]);
      const auto number = static_cast<std::size_t>(numbers.at(i));
      items.emplace_back(std::move(names.at(i)), owner.tensor(number));
      parameters.push_back(owner.is_parameter(number));
    }
    return to_java(StateDict::of(std::move(items), std::move(parameters)));
  });
}
