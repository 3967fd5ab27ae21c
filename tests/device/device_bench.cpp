// How fast files travel to a device, beside what its bus and the reading of the file allow, in one run. One JSON object
// on standard output. Medians of rounds in which everybody has a turn; files are in the page cache.

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fcntl.h>
#include <torchferry/staging.h>
#include <torchferry/state_dict.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>

#include "base/parallel.h"
#include "device/arguments.h"

namespace torchferry::device_test {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// One way of doing the work, and how long it took each time.
struct Contender {
  std::string name;
  std::function<void()> run;
  std::vector<double> seconds = {};

  double median() {
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2];
  }
};

void synchronize(const Device& device) {
  const c10::Device where = to_c10(device);
  if (where.is_cpu()) return;
  const c10::impl::VirtualGuardImpl backend(where.type());
  backend.synchronizeStream(backend.getStream(where));
}

/// As many bytes as the file has, from page-locked memory to the device in copies of one staging buffer: the bus.
void copy_pinned(const at::Tensor& pinned, const at::Tensor& target, std::uint64_t nbytes, const Device& device) {
  for (std::uint64_t done = 0; done < nbytes; done += kStagingChunk) {
    const auto length = static_cast<std::int64_t>(std::min(kStagingChunk, nbytes - done));
    target.narrow(0, static_cast<std::int64_t>(done), length).copy_(pinned.narrow(0, 0, length), /*non_blocking=*/true);
  }
  synchronize(device);
}

/// The file's bytes into buffers that are used again, by as many threads as a load takes: the reading.
void read_file(const std::filesystem::path& path, std::uint64_t nbytes, std::vector<std::vector<char>>& buffers) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw std::runtime_error("cannot be opened: " + path.string());
  const std::size_t chunks = (nbytes + kStagingChunk - 1) / kStagingChunk;
  std::atomic<std::size_t> thread{0};
  work_in_parallel(chunks, buffers.size(), [&](TaskNumbers& numbers) {
    std::vector<char>& buffer = buffers[thread++];
    while (const auto number = numbers.next()) {
      std::uint64_t at = *number * kStagingChunk;
      const std::uint64_t end = std::min(at + kStagingChunk, nbytes);
      while (at < end) {
        const ssize_t got = ::pread(file, buffer.data(), end - at, static_cast<off_t>(at));
        if (got <= 0) throw std::runtime_error("cannot be read: " + path.string());
        at += static_cast<std::uint64_t>(got);
      }
    }
  });
  ::close(file);
}

void load(const Checkpoint& checkpoint, const Device& device, DeviceMemory memory) {
  LoadOptions options;
  options.map_location = MapLocation::to(device);
  options.device_memory = memory;
  StateDict::load(checkpoint, options);
  synchronize(device);
}

/// What a loader does that copies each tensor out of a mapping.
void load_from_mapping(const Checkpoint& checkpoint, const Device& device) {
  LoadOptions options;
  options.map_location = MapLocation::to(Device::cpu());
  const StateDict moved = StateDict::load(checkpoint, options).to(device);
  synchronize(device);
}

std::string json(const std::filesystem::path& path, std::uint64_t nbytes, std::vector<Contender>& contenders) {
  std::ostringstream out;
  out << "{\"file\": \"" << path.filename().string() << "\", \"bytes\": " << nbytes << ", \"median_s\": {";
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    out << (i == 0 ? "" : ", ") << '"' << contenders[i].name << "\": " << contenders[i].median();
  }
  const double floor = std::max(contenders[0].median(), contenders[1].median());
  out << "}, \"gb_per_s\": " << static_cast<double>(nbytes) / contenders[2].median() / 1e9
      << ", \"times_slower_of_reading_and_bus\": " << contenders[2].median() / floor << "}";
  return out.str();
}

std::string bench(const std::filesystem::path& path, const Device& device, int rounds) {
  const Checkpoint checkpoint = Checkpoint::open(path);
  const std::uint64_t nbytes = checkpoint.size();
  const std::size_t threads = std::clamp(std::thread::hardware_concurrency(), 1U, 8U);
  std::vector<std::vector<char>> buffers(threads, std::vector<char>(kStagingChunk));
  const auto bytes = at::TensorOptions().dtype(at::kByte);
  const auto chunk = static_cast<std::int64_t>(kStagingChunk);
  const at::Tensor pinned = at::empty({chunk}, bytes.pinned_memory(true)).fill_(1);
  at::Tensor target;
  std::vector<Contender> contenders{
      {"bus", [&] { copy_pinned(pinned, target, nbytes, device); }},
      {"reading", [&] { read_file(path, nbytes, buffers); }},
      {"torchferry", [&] { load(checkpoint, device, DeviceMemory::slab); }},
      {"torchferry_per_storage", [&] { load(checkpoint, device, DeviceMemory::per_storage); }},
      {"copies_from_mapping", [&] { load_from_mapping(checkpoint, device); }},
  };
  for (int round = -1; round < rounds; ++round) {
    for (Contender& contender : contenders) {
      if (contender.name == "bus") target = at::empty({static_cast<std::int64_t>(nbytes)}, bytes.device(to_c10(device)));
      synchronize(device);
      const auto start = Clock::now();
      contender.run();
      if (round >= 0) contender.seconds.push_back(seconds_since(start));
      target = at::Tensor();
    }
  }
  return json(path, nbytes, contenders);
}

int bench(int count, char** values) {
  const Arguments arguments(count, values);
  const char* const rounds = std::getenv("TORCHFERRY_BENCH_ROUNDS");
  const char* const bandwidth = std::getenv("TORCHFERRY_BENCH_BANDWIDTH");  // of the fake accelerator, bytes a second
  if (auto* const limit = arguments.find<int(int, std::int64_t)>("tf_fake_set_bandwidth"); limit && bandwidth) {
    limit(arguments.device.index, std::atoll(bandwidth));
  }
  std::cout << "{\"device\": \"" << arguments.device.str() << "\", \"libtorch\": \"" << libtorch_runtime_version()
            << "\", \"files\": [";
  for (std::size_t i = 0; i < arguments.rest.size(); ++i) {
    std::cout << (i == 0 ? "" : ", ")
              << bench(arguments.rest[i], arguments.device, rounds != nullptr ? std::atoi(rounds) : 7) << std::flush;
  }
  std::cout << "], \"staging_peak_bytes\": " << staging_status().peak
            << ", \"staging_limit_bytes\": " << staging_status().limit << "}\n";
  return 0;
}

}  // namespace
}  // namespace torchferry::device_test

int main(int count, char** values) {
  try {
    return torchferry::device_test::bench(count, values);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
