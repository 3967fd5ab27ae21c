// JNI_OnLoad of the library on libtorch, and the native methods of io.torchferry.TorchNative that ask
// libtorch about itself: versions, devices, measurements.

#include <torchferry/devices.h>
#include <torchferry/staging.h>
#include <torchferry/state_dict.h>
#include <torchferry/stock_libtorch.h>

#include <chrono>

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

using Clock = std::chrono::steady_clock;

jlong nanoseconds(Clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

void time_load(const std::string& path, const LoadOptions& options, std::vector<jlong>& times) {
  const auto start = Clock::now();
  std::optional<Checkpoint> checkpoint = Checkpoint::open(path);
  const auto indexed = Clock::now();
  std::optional<StateDict> dict = StateDict::load(*checkpoint, options);
  const auto loaded = Clock::now();
  dict.reset();
  checkpoint.reset();
  const auto destroyed = Clock::now();
  times.push_back(nanoseconds(indexed - start));
  times.push_back(nanoseconds(loaded - indexed));
  times.push_back(nanoseconds(destroyed - loaded));
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

jlongArray Java_io_torchferry_TorchNative_benchLoad(JNIEnv* env, jclass, jbyteArray path, jint iterations,
                                                    jboolean mmap) {
  return guarded_torch(env, Reads::yes, [&] {
    const std::string file = bytes_of(env, path);
    LoadOptions options;
    options.map_location = MapLocation::to(Device::cpu());
    options.mmap = mmap;
    std::vector<jlong> times;
    times.reserve(3 * static_cast<std::size_t>(iterations));
    for (jint i = 0; i < iterations; ++i) time_load(file, options, times);
    return new_longs(env, times);
  });
}

jlongArray Java_io_torchferry_TorchNative_benchStock(JNIEnv* env, jclass, jbyteArray path, jint iterations) {
  return guarded_torch(env, Reads::yes, [&] {
    const std::string file = bytes_of(env, path);
    std::vector<jlong> times;
    for (jint i = 0; i < iterations; ++i) {
      const auto start = Clock::now();
      stock_pickle_load(file);
      times.push_back(nanoseconds(Clock::now() - start));
    }
    return new_longs(env, times);
  });
}
