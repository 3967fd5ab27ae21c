// Saving from a device, proven on a fake accelerator that counts its copies and can make them fail.

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <c10/core/DeviceType.h>
#include <gtest/gtest.h>
#include <torchferry/error.h>
#include <torchferry/save.h>

#include <fstream>
#include <iterator>
#include <string>

#include "fake_device/fake_device.h"
#include "io/error_of.h"
#include "io/temp_file.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

class DeviceSave : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(tf_fake_set_device_count(2), 0);
    tf_fake_reset_stats();
  }
  void TearDown() override {
    tf_fake_fail_next_copy(-1);
    for (int index = 0; index < 2; ++index)
      EXPECT_EQ(stats(index).live_allocations, 0) << "device memory was leaked";
  }

  static tf_fake_device_stats stats(int index) {
    tf_fake_device_stats result{};
    EXPECT_EQ(tf_fake_stats(index, &result), 0);
    return result;
  }
  static at::Tensor on_device(const at::Tensor& tensor, int index) {
    return tensor.to(c10::Device(c10::DeviceType::PrivateUse1, static_cast<c10::DeviceIndex>(index)));
  }
  static std::string tag(int index) { return c10::get_privateuse1_backend() + ":" + std::to_string(index); }

  std::filesystem::path path() const { return folder_ / "model.pt"; }
  StateDict loaded() const { return StateDict::load(Checkpoint::open(path()), load_to(Device::cpu())); }

  TempDirectory folder_;
};

TEST_F(DeviceSave, StoragesPassThroughABoundedBufferOnce) {
  const at::Tensor values = at::arange(10 * kMiB + 3, c10::kFloat);
  const at::Tensor there = on_device(values, 1);
  const StateDict state_dict = StateDict::of({{"all", there},
                                              {"part", there.slice(0, 5, 9)},
                                              {"here", values},
                                              {"small", there.slice(0, 0, 7).clone()}});
  tf_fake_reset_stats();
  save(state_dict, path());
  EXPECT_EQ(stats(1).device_to_host_copies, 3 + 1) << "40 MiB in pieces of 16, and the small one";
  EXPECT_EQ(stats(1).device_to_host_bytes, 4 * (10 * kMiB + 3) + 4 * 7);
  EXPECT_EQ(stats(1).allocations, 0);
  const Checkpoint saved = Checkpoint::open(path());
  EXPECT_EQ(saved.table().locations(), (std::vector<std::string>{tag(1), "cpu"}));
  const StateDict back = loaded();
  EXPECT_TRUE(at::equal(tensor_at(back, "all"), values));
  EXPECT_TRUE(share_storage(tensor_at(back, "all"), tensor_at(back, "part")));
  EXPECT_TRUE(at::equal(tensor_at(back, "small"), values.slice(0, 0, 7)));
}

TEST_F(DeviceSave, TheTagsMaySayCpu) {
  SaveOptions options;
  options.tags = LocationTags::cpu;
  save(StateDict::of({{"a", on_device(at::arange(5, c10::kLong), 0)}}), path(), options);
  EXPECT_EQ(Checkpoint::open(path()).table().locations(), std::vector<std::string>{"cpu"});
  EXPECT_TRUE(at::equal(loaded().tensor(0), at::arange(5, c10::kLong)));
}

TEST_F(DeviceSave, WhatIsSavedFromADeviceIsLoadedThereAgain) {
  save(StateDict::of({{"a", on_device(at::arange(5, c10::kLong), 1)}}), path());
  const StateDict back = StateDict::load(Checkpoint::open(path()));
  EXPECT_EQ(back.tensor(0).device(), c10::Device(c10::DeviceType::PrivateUse1, 1));
  EXPECT_TRUE(at::equal(back.tensor(0).cpu(), at::arange(5, c10::kLong)));
}

TEST_F(DeviceSave, ACompactColumnIsPackedOnTheDevice) {
  SaveOptions options;
  options.compact = true;
  const at::Tensor matrix = at::arange(100 * 100, c10::kFloat).view({100, 100});
  const at::Tensor column = on_device(matrix, 0).select(1, 3);
  tf_fake_reset_stats();
  save(StateDict::of({{"column", column}}), path(), options);
  EXPECT_EQ(stats(0).device_to_host_bytes, 400);
  EXPECT_TRUE(at::equal(loaded().tensor(0), matrix.select(1, 3)));
}

TEST_F(DeviceSave, ACopyThatFailsLeavesTheOldFile) {
  save(StateDict::of({{"old", at::arange(3)}}), path());
  const StateDict state_dict = StateDict::of({{"a", on_device(at::arange(10 * kMiB, c10::kFloat), 0)}});
  for (const int copies : {0, 1, 2}) {
    tf_fake_fail_next_copy(copies);
    const Error error = error_of([&] { save(state_dict, path()); });
    EXPECT_EQ(error.code(), ErrorCode::io) << error.what();
    EXPECT_EQ(error.file(), path().native());
  }
  tf_fake_fail_next_copy(-1);
  EXPECT_EQ(loaded().key(0), "old");
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
    files += entry.exists() ? 1 : 0;
  EXPECT_EQ(files, 1U);
}

}  // namespace
}  // namespace torchferry::testing
