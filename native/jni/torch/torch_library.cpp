// JNI_OnLoad of the library on libtorch, and the native methods of io.torchferry.TorchNative that ask
// libtorch about itself: versions, devices, staging memory.

#include <torchferry/devices.h>
#include <torchferry/host_memory.h>
#include <torchferry/staging.h>

#include "build_id.h"
#include "io_torchferry_TorchNative.h"
#include "java_arrays.h"
#include "java_errors.h"
#include "pack.h"
#include "torch_errors.h"

using namespace torchferry;
using namespace torchferry::jni;

namespace {

/// "2.13" of "2.13.0": libtorch's C++ interface holds for one minor version.
std::string minor(const std::string& version) {
  const std::size_t dot = version.find('.');
  return version.substr(0, version.find('.', dot == std::string::npos ? dot : dot + 1));
}

void refuse_version(JNIEnv* env, const std::string& runs, const std::string& built) {
  const std::string message =
      "the libtorch loaded is " + runs + ", but this Torchferry was built with libtorch " + built +
      " and needs " + minor(built) + ".*; name one with -Dtorchferry.libtorch=FOLDER, or build Torchferry " +
      "with LIBTORCH set to the folder of this one";
  const jclass type = env->FindClass("java/lang/UnsatisfiedLinkError");
  if (type != nullptr) env->ThrowNew(type, message.c_str());
}

}  // namespace

jint JNI_OnLoad(JavaVM* vm, void*) {
  void* pointer = nullptr;
  if (vm->GetEnv(&pointer, JNI_VERSION_10) != JNI_OK) return JNI_ERR;
  auto* const env = static_cast<JNIEnv*>(pointer);
  if (!cache_error_ids(env)) return JNI_ERR;
  const bool fits = guarded_torch(env, Reads::no, [&] {
    const std::string runs = libtorch_runtime_version();
    const std::string built = libtorch_build_version();
    if (minor(runs) != minor(built)) refuse_version(env, runs, built);
    return minor(runs) == minor(built);
  });
  return fits ? JNI_VERSION_10 : JNI_ERR;
}

void JNI_OnUnload(JavaVM* vm, void*) {
  void* env = nullptr;
  if (vm->GetEnv(&env, JNI_VERSION_10) == JNI_OK) drop_error_ids(static_cast<JNIEnv*>(env));
}

jbyteArray Java_io_torchferry_TorchNative_buildId(JNIEnv* env, jclass) {
  return guarded_torch(env, Reads::no, [&] { return new_bytes(env, build_id()); });
}

jbyteArray Java_io_torchferry_TorchNative_libtorchVersions(JNIEnv* env, jclass) {
  return guarded_torch(env, Reads::no, [&] {
    PackWriter out;
    out.string(libtorch_runtime_version());
    out.string(libtorch_build_version());
    return new_bytes(env, out.bytes());
  });
}

jint Java_io_torchferry_TorchNative_deviceCount(JNIEnv* env, jclass, jbyteArray type) {
  return guarded_torch(env, Reads::no, [&] { return static_cast<jint>(device_count(bytes_of(env, type))); });
}

jlongArray Java_io_torchferry_TorchNative_deviceMemory(JNIEnv* env, jclass, jbyteArray device) {
  return guarded_torch(env, Reads::no, [&]() -> jlongArray {
    const auto memory = device_memory_info(Device::parse(bytes_of(env, device)));
    if (!memory) return nullptr;
    return new_longs(env, {static_cast<jlong>(memory->free), static_cast<jlong>(memory->total)});
  });
}

jlongArray Java_io_torchferry_TorchNative_stagingStatus(JNIEnv* env, jclass) {
  return guarded_torch(env, Reads::no, [&] {
    const StagingStatus status = staging_status();
    std::vector<jlong> numbers;
    for (const std::uint64_t bytes : {status.limit, status.allocated, status.in_use, status.peak, status.pinned}) {
      numbers.push_back(static_cast<jlong>(bytes));
    }
    return new_longs(env, numbers);
  });
}

void Java_io_torchferry_TorchNative_stagingLimit(JNIEnv* env, jclass, jlong bytes) {
  guarded_torch(env, Reads::no, [&] { set_staging_limit(static_cast<std::uint64_t>(bytes)); });
}

void Java_io_torchferry_TorchNative_stagingRelease(JNIEnv* env, jclass) {
  guarded_torch(env, Reads::no, [] { release_staging(); });
}

jlongArray Java_io_torchferry_TorchNative_hostMemoryStatus(JNIEnv* env, jclass) {
  return guarded_torch(env, Reads::no, [&] {
    const HostMemoryStatus status = host_memory_status();
    return new_longs(env, {static_cast<jlong>(status.limit), static_cast<jlong>(status.kept)});
  });
}

void Java_io_torchferry_TorchNative_hostMemoryLimit(JNIEnv* env, jclass, jlong bytes) {
  guarded_torch(env, Reads::no, [&] { set_host_memory_limit(static_cast<std::uint64_t>(bytes)); });
}

void Java_io_torchferry_TorchNative_hostMemoryRelease(JNIEnv* env, jclass) {
  guarded_torch(env, Reads::no, [] { release_host_memory(); });
}

jbyteArray Java_io_torchferry_TorchNative_bestDevice(JNIEnv* env, jclass) {
  return guarded_torch(env, Reads::no, [&] { return new_bytes(env, best_available_device().str()); });
}

jbyteArray Java_io_torchferry_TorchNative_availableDevices(JNIEnv* env, jclass) {
  return guarded_torch(env, Reads::no, [&] {
    std::vector<std::string> devices;
    for (const Device& device : available_devices()) devices.push_back(device.str());
    PackWriter out;
    out.names(devices);
    return new_bytes(env, out.bytes());
  });
}
