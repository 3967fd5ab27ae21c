// Checkpoints of several files, loaded onto a fake accelerator that counts what reaches it.

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceType.h>
#include <gtest/gtest.h>
#include <torchferry/devices.h>
#include <torchferry/error.h>

#include "fake_device/fake_device.h"
#include "io/error_of.h"
#include "table/folders.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

class SeveralFilesDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(tf_fake_set_device_count(2), 0);
    tf_fake_reset_stats();
  }
  void TearDown() override {
    for (int index = 0; index < 2; ++index) EXPECT_EQ(stats(index).live_allocations, 0) << "device memory was leaked";
    tf_fake_fail_next_copy(-1);
  }

  static tf_fake_device_stats stats(int index) {
    tf_fake_device_stats result{};
    EXPECT_EQ(tf_fake_stats(index, &result), 0);
    return result;
  }
  /// A slab is copied with the gaps that its alignment leaves.
  static void expect_copied(int index, std::int64_t bytes, DeviceMemory memory) {
    EXPECT_GE(stats(index).host_to_device_bytes, bytes);
    if (memory == DeviceMemory::per_storage) {
      EXPECT_EQ(stats(index).host_to_device_bytes, bytes);
    }
  }
  static Device fake(int index) { return {c10::get_privateuse1_backend(), index}; }

  Checkpoint shards() {
    for (int i = 0; i < 3; ++i) {
      const std::string name(1, static_cast<char>('a' + i));
      write_file(directory_ / name, safetensors_file({{name, {{i + 1}, floats(static_cast<std::size_t>(i) + 1)}}}));
    }
    return Checkpoint::open(write_file(directory_ / "index.json", index_file({{"c", "c"}, {"a", "a"}, {"b", "b"}})));
  }

  /// A tensor in three pieces, which no cut runs through in one direction, and one in a single piece.
  Checkpoint pieces() {
    DistributedFolder folder;
    folder.tensor("t", {40, 31}, {{{0, 0}, {40, 10}, "a"}, {{0, 10}, {7, 21}, "b"}, {{7, 10}, {33, 21}, "c"}});
    folder.tensor("whole", {5}, {{{0}, {5}}});
    return Checkpoint::open(folder.write(directory_));
  }

  static std::vector<LoadOptions> every_way(Device device) {
    std::vector<LoadOptions> ways;
    for (const bool mmap : {true, false}) {
      for (const bool verify : {true, false}) {
        for (const DeviceMemory memory : {DeviceMemory::slab, DeviceMemory::per_storage}) {
          LoadOptions options = load_to(device, mmap);
          options.verify_checksums = verify;
          options.device_memory = memory;
          ways.push_back(options);
        }
      }
    }
    return ways;
  }

  TempDirectory directory_;
};

TEST_F(SeveralFilesDevice, ShardsReachIt) {
  const Checkpoint checkpoint = shards();
  for (const LoadOptions& options : every_way(fake(1))) {
    tf_fake_reset_stats();
    const StateDict loaded = StateDict::load(checkpoint, options);
    for (int i = 0; i < 3; ++i) {
      const at::Tensor tensor = tensor_at(loaded, std::string(1, static_cast<char>('a' + i)));
      EXPECT_EQ(from_c10(tensor.device()), fake(1));
      EXPECT_EQ(floats_of(tensor), counted(i + 1));
    }
    expect_copied(1, 24, options.device_memory);
    EXPECT_EQ(stats(0).host_to_device_bytes, 0);
    EXPECT_EQ(loaded.bytes_by_device(), (std::map<Device, std::uint64_t>{{fake(1), 24}}));
  }
}

TEST_F(SeveralFilesDevice, PiecesAreWholeThere) {
  const Checkpoint checkpoint = pieces();
  for (const LoadOptions& options : every_way(fake(0))) {
    tf_fake_reset_stats();
    const StateDict loaded = StateDict::load(checkpoint, options);
    EXPECT_EQ(from_c10(tensor_at(loaded, "t").device()), fake(0));
    EXPECT_EQ(floats_of(tensor_at(loaded, "t")), counted(40 * 31));
    EXPECT_EQ(floats_of(tensor_at(loaded, "whole")), counted(5));
    EXPECT_EQ(tf_fake_owns(tensor_at(loaded, "t").const_data_ptr()), 0);
    expect_copied(0, (40 * 31 + 5) * 4, options.device_memory);
  }
}

TEST_F(SeveralFilesDevice, AFailedCopyLeavesNothingBehind) {
  const Checkpoint checkpoint = pieces();
  tf_fake_fail_next_copy(0);
  EXPECT_THROW(StateDict::load(checkpoint, load_to(fake(0))), Error);
  EXPECT_EQ(stats(0).live_allocations, 0);
}

TEST_F(SeveralFilesDevice, ADeviceThatIsNotThereIsRefusedBeforeAnyByte) {
  expect_error(ErrorCode::device_unavailable, "", [&] { StateDict::load(shards(), load_to(fake(2))); });
}

}  // namespace
}  // namespace torchferry::testing
