#include "arguments.h"

#include "java_arrays.h"
#include "pack.h"

namespace torchferry::jni {
namespace {

std::optional<DType> dtype_or_none(std::int32_t number) {
  if (number < 0) return std::nullopt;
  const auto dtype = dtype_numbered(number);
  if (!dtype) throw Error(ErrorCode::invalid_argument, "no dtype has the number " + std::to_string(number));
  return dtype;
}

MapLocation map_location(PackReader& in) {
  switch (in.i32()) {
    case 1: return MapLocation::to(Device::parse(in.string()));
    case 2: {
      std::map<std::string, Device> devices;
      for (std::int32_t n = in.i32(); n > 0; --n) {
        std::string from = in.string();
        devices.insert_or_assign(std::move(from), Device::parse(in.string()));
      }
      return MapLocation::remap(std::move(devices));
    }
    default: return MapLocation::as_saved();
  }
}

}  // namespace

std::vector<std::string> path_of(JNIEnv* env, jbyteArray packed) {
  const std::string bytes = bytes_of(env, packed);
  return PackReader(bytes).names();
}

OpenOptions open_options(JNIEnv* env, jlongArray packed) {
  const std::vector<jlong> in = longs_of(env, packed);
  OpenOptions options;
  options.weights_only = in.at(0) != 0;
  options.verify_checksums = in.at(1) != 0;
  Limits& limits = options.limits;
  limits.pickle_bytes = static_cast<std::uint64_t>(in.at(2));
  limits.pickle_nodes = static_cast<std::uint64_t>(in.at(3));
  limits.memo_entries = static_cast<std::uint64_t>(in.at(4));
  limits.depth = static_cast<std::uint32_t>(in.at(5));
  limits.integer_bytes = static_cast<std::uint32_t>(in.at(6));
  limits.records = static_cast<std::uint64_t>(in.at(7));
  limits.directory_bytes = static_cast<std::uint64_t>(in.at(8));
  limits.tensors = static_cast<std::uint64_t>(in.at(9));
  limits.name_bytes = static_cast<std::uint64_t>(in.at(10));
  limits.dimensions = static_cast<std::uint32_t>(in.at(11));
  limits.inflated_bytes = static_cast<std::uint64_t>(in.at(12));
  limits.inflate_ratio = static_cast<std::uint32_t>(in.at(13));
  options.save_index = static_cast<std::uint64_t>(in.at(14));
  return options;
}

LoadOptions load_options(JNIEnv* env, jbyteArray packed) {
  const std::string bytes = bytes_of(env, packed);
  PackReader in(bytes);
  LoadOptions options;
  options.mmap = in.i32() != 0;
  options.mmap_network_files = in.i32() != 0;
  options.prefetch = static_cast<Prefetch>(in.i32());
  options.verify_checksums = in.i32() != 0;
  options.threads = static_cast<unsigned>(in.i32());
  options.device_memory = in.i32() != 0 ? DeviceMemory::per_storage : DeviceMemory::slab;
  options.cast = dtype_or_none(in.i32());
  options.map_location = map_location(in);
  return options;
}

std::vector<Entry> entries_of(JNIEnv* env, const OpenedCheckpoint& opened,
                              const std::vector<std::string>& path, jintArray selected) {
  std::vector<Entry> all = walk(opened, [&] { return opened.checkpoint.entries(path); });
  if (selected == nullptr) return all;
  std::vector<Entry> some;
  for (const jint index : ints_of(env, selected)) some.push_back(all.at(static_cast<std::size_t>(index)));
  return some;
}

std::string packed_plan(const LoadPlan& plan) {
  PackWriter out;
  out.i64(static_cast<std::int64_t>(plan.bytes_read));
  out.count(plan.devices.size());
  for (const auto& [location, device] : plan.devices) {
    out.string(location);
    out.string(device.str());
  }
  out.count(plan.bytes_by_device.size());
  for (const auto& [device, bytes] : plan.bytes_by_device) {
    out.string(device.str());
    out.i64(static_cast<std::int64_t>(bytes));
  }
  out.count(plan.storages.size());
  for (const StoragePlan& storage : plan.storages) {
    out.count(storage.storage);
    out.i32(static_cast<std::int32_t>(storage.transfer));
    out.string(storage.device.str());
  }
  return out.bytes();
}

}  // namespace torchferry::jni
