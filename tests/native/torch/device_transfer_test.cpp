// The way of bytes to a device, proven on a fake accelerator that counts allocations, copies and pinned memory.

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <c10/core/DeviceType.h>
#include <gtest/gtest.h>
#include <torchferry/devices.h>
#include <torchferry/error.h>
#include <torchferry/staging.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "fake_device/fake_device.h"
#include "io/error_of.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

std::string payload(std::size_t bytes, unsigned seed) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>((i * 2654435761U + seed) >> 13);
  return text;
}

class DeviceTransferTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(tf_fake_set_device_count(2), 0);
    release_staging();
    tf_fake_reset_stats();
  }
  void TearDown() override {
    for (int index = 0; index < 2; ++index) {
      tf_fake_set_memory_limit(index, -1);
      tf_fake_set_bandwidth(index, 0);
      EXPECT_EQ(stats(index).live_allocations, 0) << "device memory was leaked";
    }
    tf_fake_fail_next_copy(-1);
    EXPECT_EQ(staging_status().in_use, 0U) << "staging buffers were leaked";
    set_staging_limit(kDefaultStagingLimit);
  }

  static tf_fake_device_stats stats(int index) {
    tf_fake_device_stats result{};
    EXPECT_EQ(tf_fake_stats(index, &result), 0);
    return result;
  }
  static Device fake(int index) { return {c10::get_privateuse1_backend(), index}; }

  /// `count` float tensors of `numel` elements, each in a storage of its own; names "0", "1", …
  static Checkpoint checkpoint(std::size_t count, std::size_t numel, const std::string& location = "cuda:0") {
    std::vector<std::pair<Pickle, Pickle>> items;
    std::vector<std::pair<std::string, std::string>> storages;
    for (std::size_t i = 0; i < count; ++i) {
      const auto n = static_cast<std::int64_t>(numel);
      const std::string key = std::to_string(i);
      items.emplace_back(str(key), tensor({.key = key, .numel = n, .size = {n}, .location = location}));
      storages.emplace_back(key, payload(numel * 4, static_cast<unsigned>(i)));
    }
    return open_bytes(archive(dict(items), storages));
  }

  static void expect_same(const StateDict& a, const StateDict& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      const at::Tensor here = a.tensor(i).cpu().contiguous();
      const at::Tensor there = b.tensor(i).cpu().contiguous();
      ASSERT_EQ(std::string_view(static_cast<const char*>(here.const_data_ptr()), here.nbytes()),
                std::string_view(static_cast<const char*>(there.const_data_ptr()), there.nbytes()))
          << a.key(i);
    }
  }

  static LoadOptions to(const Device& device, DeviceMemory memory = DeviceMemory::slab) {
    LoadOptions options = load_to(device);
    options.device_memory = memory;
    options.progress = std::make_shared<Progress>();
    return options;
  }
};

TEST_F(DeviceTransferTest, CopiesDependOnTheBytesAndNotOnTheTensors) {
  const Checkpoint many = checkpoint(5000, 1000);
  const LoadOptions options = to(fake(1));
  const StateDict loaded = StateDict::load(many, options);
  EXPECT_EQ(stats(1).allocations, 1);
  EXPECT_LE(stats(1).host_to_device_copies, static_cast<std::int64_t>(many.size() / kStagingChunk + 1));
  EXPECT_EQ(stats(1).async_copies, stats(1).host_to_device_copies) << "from pinned memory, beside the reading";
  EXPECT_EQ(options.progress->done, options.progress->total);
  EXPECT_EQ(loaded.report().bytes_copied_to_devices, 5000U * 4000);
  EXPECT_GE(loaded.report().bytes_pinned, 5000U * 4000);
  expect_same(loaded, StateDict::load(many, load_to(Device::cpu())));
}

TEST_F(DeviceTransferTest, EveryStorageStartsAligned) {
  const StateDict loaded = StateDict::load(checkpoint(100, 7), to(fake(0)));
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(loaded.tensor(i).const_data_ptr()) % 64, 0U);
    EXPECT_EQ(loaded.tensor(i).storage().nbytes(), 28U);
    EXPECT_FALSE(loaded.tensor(i).storage().resizable());
  }
}

TEST_F(DeviceTransferTest, AllocationsOfTheirOwnForEachStorageOnDemand) {
  const Checkpoint checkpoint = DeviceTransferTest::checkpoint(20, 1'500'000);
  StateDict loaded = StateDict::load(checkpoint, to(fake(0), DeviceMemory::per_storage));
  EXPECT_EQ(stats(0).allocations, 20);
  EXPECT_LE(stats(0).host_to_device_copies, static_cast<std::int64_t>(20 + checkpoint.size() / kStagingChunk + 1));
  expect_same(loaded, StateDict::load(checkpoint, load_to(Device::cpu())));
  const at::Tensor kept = loaded.tensor(3);
  loaded = StateDict::of({});
  EXPECT_EQ(stats(0).allocated_bytes, 6'000'000);
}

TEST_F(DeviceTransferTest, ASlabLivesAsLongAsItsLastTensor) {
  StateDict loaded = StateDict::load(checkpoint(10, 1000), to(fake(0)));
  {
    const at::Tensor kept = loaded.tensor(3);
    loaded = StateDict::of({});
    EXPECT_GE(stats(0).allocated_bytes, 40'000);
    EXPECT_EQ(stats(0).live_allocations, 1);
  }
  EXPECT_EQ(stats(0).allocated_bytes, 0);
}

TEST_F(DeviceTransferTest, StagingNeverPassesItsBound) {
  const Checkpoint checkpoint = DeviceTransferTest::checkpoint(3, 12'000'000);
  for (const std::uint64_t buffers : {1, 2, 3}) {
    set_staging_limit(buffers * kStagingChunk + 5);
    release_staging();
    tf_fake_reset_stats();
    EXPECT_EQ(staging_status().limit, buffers * kStagingChunk);
    LoadOptions options = to(fake(0));
    options.threads = 4;
    const StateDict loaded = StateDict::load(checkpoint, options);
    EXPECT_GE(stats(0).pinned_peak_bytes, static_cast<std::int64_t>(kStagingChunk));
    EXPECT_LE(stats(0).pinned_peak_bytes, static_cast<std::int64_t>(buffers * kStagingChunk));
    EXPECT_EQ(staging_status().allocated, staging_status().pinned);
  }
  EXPECT_EQ(staging_status().allocated, static_cast<std::uint64_t>(stats(0).pinned_bytes));
  set_staging_limit(0);
  EXPECT_EQ(staging_status().limit, kStagingChunk);
  release_staging();
  EXPECT_EQ(staging_status().allocated, 0U);
  EXPECT_EQ(stats(0).pinned_bytes, 0);
}

TEST_F(DeviceTransferTest, BuffersAreMadeOnceAndUsedAgain) {
  const Checkpoint checkpoint = DeviceTransferTest::checkpoint(4, 10'000'000);
  StateDict::load(checkpoint, to(fake(0)));
  const std::int64_t made = stats(0).pinned_allocations;
  for (int i = 0; i < 3; ++i) StateDict::load(checkpoint, to(fake(0)));
  EXPECT_LE(stats(0).pinned_allocations, std::max<std::int64_t>(made, 4));
}

TEST_F(DeviceTransferTest, SeveralDevicesInOneLoad) {
  std::vector<std::pair<Pickle, Pickle>> items;
  std::vector<std::pair<std::string, std::string>> storages;
  for (int i = 0; i < 40; ++i) {
    const std::string key = std::to_string(i);
    const std::string location = i % 3 == 0 ? "cpu" : "cuda:" + std::to_string(i % 2);
    items.emplace_back(str(key), tensor({.key = key, .numel = 300'000, .size = {300'000}, .location = location}));
    storages.emplace_back(key, payload(1'200'000, static_cast<unsigned>(i)));
  }
  const Checkpoint checkpoint = open_bytes(archive(dict(items), storages));
  LoadOptions options = to(Device::cpu());
  options.map_location = MapLocation::remap({{"cuda:0", fake(1)}, {"cuda:1", fake(0)}});
  const StateDict loaded = StateDict::load(checkpoint, options);
  EXPECT_EQ(stats(0).allocations, 1);
  EXPECT_EQ(stats(1).allocations, 1);
  EXPECT_EQ(options.progress->done, options.progress->total);
  expect_same(loaded, StateDict::load(checkpoint, load_to(Device::cpu())));
}

TEST_F(DeviceTransferTest, ManyLoadsAtOnceShareTheStaging) {
  set_staging_limit(2 * kStagingChunk);
  release_staging();
  const Checkpoint checkpoint = DeviceTransferTest::checkpoint(3, 6'000'000);
  const StateDict here = StateDict::load(checkpoint, load_to(Device::cpu()));
  tf_fake_reset_stats();
  std::vector<std::thread> threads;
  std::vector<std::optional<StateDict>> loaded(6);
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    threads.emplace_back([&, i] { loaded[i] = StateDict::load(checkpoint, to(fake(static_cast<int>(i % 2)))); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(stats(0).pinned_peak_bytes, static_cast<std::int64_t>(2 * kStagingChunk));
  for (const auto& one : loaded) expect_same(*one, here);
}

TEST_F(DeviceTransferTest, AnyFailedCopyGivesEverythingBack) {
  const Checkpoint checkpoint = DeviceTransferTest::checkpoint(4, 9'000'000);
  const auto copies = static_cast<std::int64_t>((checkpoint.size() + kStagingChunk - 1) / kStagingChunk);
  for (std::int64_t failing = 0; failing < copies; ++failing) {
    tf_fake_fail_next_copy(failing);
    const Error error = error_of([&] { StateDict::load(checkpoint, to(fake(0))); });
    EXPECT_STREQ(name(error.code()), "device_unavailable") << error.what();
    EXPECT_EQ(stats(0).allocated_bytes, 0);
    EXPECT_EQ(staging_status().in_use, 0U);
  }
}

TEST_F(DeviceTransferTest, OutOfMemoryTellsWhatIsNeededAndWhatIsFree) {
  const Checkpoint checkpoint = DeviceTransferTest::checkpoint(2, 1000);
  ASSERT_EQ(tf_fake_set_memory_limit(1, 5000), 0);
  for (const DeviceMemory memory : {DeviceMemory::slab, DeviceMemory::per_storage}) {
    const Error error = error_of([&] { StateDict::load(checkpoint, to(fake(1), memory)); });
    EXPECT_STREQ(name(error.code()), "out_of_memory");
    EXPECT_NE(error.message().find("the tensors need 8000 bytes on " + fake(1).str() + ", which has "),
              std::string::npos)
        << error.message();
    EXPECT_NE(error.message().find(" of 5000 free"), std::string::npos) << error.message();
    EXPECT_EQ(stats(1).allocated_bytes, 0);
  }
}

TEST_F(DeviceTransferTest, ACancelledLoadStopsWithinItsBuffersAndGivesEverythingBack) {
  const Checkpoint checkpoint = DeviceTransferTest::checkpoint(8, 10'000'000);
  ASSERT_EQ(tf_fake_set_bandwidth(0, 400 * static_cast<std::int64_t>(kMiB)), 0);
  LoadOptions options = to(fake(0));
  options.threads = 1;
  std::jthread canceller([progress = options.progress] {
    while (progress->done == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    progress->cancel = true;
  });
  expect_error(ErrorCode::cancelled, "cancelled", [&] { StateDict::load(checkpoint, options); });
  EXPECT_LT(options.progress->done, options.progress->total);
  EXPECT_EQ(stats(0).allocated_bytes, 0);
}

TEST_F(DeviceTransferTest, AFileThatBecameShorterIsAnIoError) {
  const std::string bytes = archive(dict({{str("w"), tensor({.numel = 900'000, .size = {900'000}})}}),
                                    {{"0", payload(3'600'000, 1)}});
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "becomes_shorter.pt";
  std::ofstream(path, std::ios::binary) << bytes;
  const Checkpoint checkpoint = Checkpoint::open(path);
  std::filesystem::resize_file(path, 100'000);
  const Error error = error_of([&] { StateDict::load(checkpoint, to(fake(0))); });
  EXPECT_STREQ(name(error.code()), "io") << error.what();
  EXPECT_EQ(error.file(), path.string());
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace torchferry::testing
