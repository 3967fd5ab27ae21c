// map_location to devices, proven on a fake accelerator that counts allocations and copies.

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <c10/core/DeviceType.h>
#include <gtest/gtest.h>
#include <torchferry/devices.h>
#include <torchferry/error.h>

#include "fake_device/fake_device.h"
#include "io/error_of.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

class DeviceLoad : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(tf_fake_set_device_count(2), 0);
    tf_fake_reset_stats();
  }
  void TearDown() override {
    ASSERT_EQ(tf_fake_set_device_count(2), 0);
    for (int index = 0; index < 2; ++index) {
      tf_fake_set_memory_limit(index, -1);
      EXPECT_EQ(stats(index).live_allocations, 0) << "device memory was leaked";
    }
    tf_fake_fail_next_copy(-1);
  }

  static tf_fake_device_stats stats(int index) {
    tf_fake_device_stats result{};
    EXPECT_EQ(tf_fake_stats(index, &result), 0);
    return result;
  }
  static Device fake(int index) { return {c10::get_privateuse1_backend(), index}; }

  /// w (2x3) and its flat view on cuda:1, the same object again, x on cuda:0, n on the CPU.
  static Checkpoint mixed() {
    const Pickle w = tensor({.size = {2, 3}, .stride = {3, 1}, .location = "cuda:1", .requires_grad = true});
    const Pickle content = dict({{str("w"), put(w, 9)},
                                 {str("again"), get(9)},
                                 {str("flat"), tensor({.offset = 2, .size = {4}, .location = "cuda:1"})},
                                 {str("x"), tensor({.key = "1", .location = "cuda:0"})},
                                 {str("n"), tensor({.key = "2"})}});
    return open_bytes(archive(content, {{"0", floats(6)}, {"1", floats(6)}, {"2", floats(6)}}));
  }
};

TEST_F(DeviceLoad, RemapsLocationsWithOneCopyForEachStorage) {
  for (const bool mmap : {true, false}) {
    tf_fake_reset_stats();
    LoadOptions options;
    options.mmap = mmap;
    options.progress = std::make_shared<Progress>();
    options.map_location = MapLocation::remap({{"cuda:1", fake(0)}, {"cuda:0", fake(1)}});
    const StateDict loaded = StateDict::load(mixed(), options);
    EXPECT_EQ(from_c10(tensor_at(loaded, "w").device()), fake(0));
    EXPECT_EQ(from_c10(tensor_at(loaded, "x").device()), fake(1));
    EXPECT_TRUE(tensor_at(loaded, "n").device().is_cpu());
    EXPECT_EQ(stats(0).allocations, 1);
    EXPECT_EQ(stats(0).host_to_device_copies, 1);
    EXPECT_EQ(stats(0).host_to_device_bytes, 24);
    EXPECT_EQ(stats(1).host_to_device_copies, 1);
    EXPECT_EQ(tf_fake_owns(tensor_at(loaded, "x").const_data_ptr()), 1);
    EXPECT_TRUE(tensor_at(loaded, "w").is_same(tensor_at(loaded, "again")));
    EXPECT_TRUE(tensor_at(loaded, "w").requires_grad());
    EXPECT_TRUE(share_storage(tensor_at(loaded, "w"), tensor_at(loaded, "flat")));
    EXPECT_EQ(floats_of(tensor_at(loaded, "w")), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(floats_of(tensor_at(loaded, "flat")), (std::vector<float>{2, 3, 4, 5}));
    EXPECT_EQ(loaded.report().bytes_copied_to_devices, 48U);
    EXPECT_EQ(loaded.report().bytes_read, 72U);
    EXPECT_EQ(options.progress->done, options.progress->total);
    EXPECT_EQ(loaded.bytes_by_device(),
              (std::map<Device, std::uint64_t>{{Device::cpu(), 24}, {fake(0), 24}, {fake(1), 24}}));
  }
}

TEST_F(DeviceLoad, WritesToAViewOnTheDeviceShowInItsSharers) {
  const StateDict loaded = StateDict::load(mixed(), load_to(fake(1)));
  tensor_at(loaded, "flat").fill_(-1.0);
  EXPECT_EQ(floats_of(tensor_at(loaded, "w")), (std::vector<float>{0, 1, -1, -1, -1, -1}));
}

TEST_F(DeviceLoad, AFunctionIsAskedOnceForEachLocation) {
  std::vector<std::string> asked;
  LoadOptions options;
  options.map_location = MapLocation::by([&](const std::string& location) -> std::optional<Device> {
    asked.push_back(location);
    if (location == "cpu") return std::nullopt;
    return fake(0);
  });
  const StateDict loaded = StateDict::load(mixed(), options);
  std::sort(asked.begin(), asked.end());
  EXPECT_EQ(asked, (std::vector<std::string>{"cpu", "cuda:0", "cuda:1"}));
  EXPECT_TRUE(tensor_at(loaded, "n").device().is_cpu());
  EXPECT_EQ(stats(0).allocations, 1);
}

TEST_F(DeviceLoad, ATypeWithoutIndexIsTheCurrentDevice) {
  const StateDict loaded = StateDict::load(mixed(), load_to(fake(-1)));
  EXPECT_EQ(from_c10(tensor_at(loaded, "x").device()), fake(0));
}

TEST_F(DeviceLoad, SavedLocationsThatAreNotThere) {
  expect_error(ErrorCode::device_unavailable, "torch.cuda.is_available() is False",
               [] { StateDict::load(mixed()); });
  expect_error(ErrorCode::device_unavailable, "device_count() is 2",
               [] { StateDict::load(mixed(), load_to(fake(2))); });
  EXPECT_EQ(stats(0).allocations + stats(1).allocations, 0);
}

TEST_F(DeviceLoad, OutOfMemoryGivesEverythingBack) {
  ASSERT_EQ(tf_fake_set_memory_limit(1, 30), 0);
  const Error error = error_of([] { StateDict::load(mixed(), load_to(fake(1))); });
  EXPECT_STREQ(name(error.code()), "out_of_memory");
  EXPECT_NE(std::string(error.what()).find("the tensors need 72 bytes on " + fake(1).str()),
            std::string::npos)
      << error.what();
  EXPECT_NE(std::string(error.what()).find("30 of 30 free"), std::string::npos) << error.what();
  EXPECT_EQ(stats(1).allocated_bytes, 0);
  EXPECT_EQ(stats(1).out_of_memory, 1);
}

TEST_F(DeviceLoad, AFailedCopyGivesEverythingBack) {
  tf_fake_fail_next_copy(0);
  expect_error(ErrorCode::device_unavailable, "failed, as asked for",
               [] { StateDict::load(mixed(), load_to(fake(0))); });
  EXPECT_EQ(stats(0).allocated_bytes, 0);
}

TEST_F(DeviceLoad, MovesThereAndBackKeepSharing) {
  const StateDict here = StateDict::load(mixed(), load_to(Device::cpu()));
  const StateDict there = here.to(fake(1));
  EXPECT_EQ(stats(1).host_to_device_copies, 3);
  EXPECT_TRUE(tensor_at(there, "w").is_same(tensor_at(there, "again")));
  EXPECT_TRUE(share_storage(tensor_at(there, "w"), tensor_at(there, "flat")));
  EXPECT_TRUE(tensor_at(there, "w").requires_grad());
  EXPECT_TRUE(tensor_at(there, "w").is_leaf());
  EXPECT_EQ(there.find("x"), here.find("x"));
  const StateDict same = there.to(fake(1));
  EXPECT_TRUE(same.tensor(0).is_same(there.tensor(0)));
  const StateDict other = there.to(fake(0));
  EXPECT_EQ(stats(0).cross_device_copies, 3);
  const StateDict back = other.to(Device::cpu());
  EXPECT_EQ(stats(0).device_to_host_copies, 3);
  EXPECT_TRUE(share_storage(tensor_at(back, "w"), tensor_at(back, "flat")));
  EXPECT_EQ(tensor_at(back, "flat").storage_offset(), 2);
  EXPECT_TRUE(at::equal(tensor_at(back, "w"), tensor_at(here, "w")));
  expect_error(ErrorCode::device_unavailable, "Devices of this machine: cpu, ", [&] { here.to(fake(7)); });
  expect_error(ErrorCode::device_unavailable, "device cuda is not available",
               [&] { here.to(Device::parse("cuda")); });
}

TEST_F(DeviceLoad, AMoveThatRunsOutOfMemoryChangesNothing) {
  const StateDict here = StateDict::load(mixed(), load_to(Device::cpu()));
  ASSERT_EQ(tf_fake_set_memory_limit(0, 30), 0);
  expect_error(ErrorCode::out_of_memory, "tensor '", [&] { here.to(fake(0)); });
  EXPECT_EQ(stats(0).allocated_bytes, 0);
  EXPECT_TRUE(tensor_at(here, "w").device().is_cpu());
}

TEST_F(DeviceLoad, SparseTensorsAreCheckedBeforeTheDeviceSeesThem) {
  std::string indices;
  for (const std::uint64_t index : {0U, 9U}) append_le(indices, index, 8);
  const Pickle coo =
      call(global("torch._utils", "_rebuild_sparse_tensor"),
           {call(global("torch.serialization", "_get_layout"), {str("torch.sparse_coo")}),
            tuple({tensor({.key = "1", .numel = 2, .size = {1, 2}, .stride = {2, 1}, .type = "LongStorage"}),
                   tensor({.numel = 2, .size = {2}}), ints({3}), boolean(false)})});
  const Checkpoint checkpoint =
      open_bytes(archive(dict({{str("s"), coo}}), {{"0", floats(2)}, {"1", indices}}));
  expect_error(ErrorCode::corrupt, "tensor 's': ", [&] { StateDict::load(checkpoint, load_to(fake(0))); });
}

/// Backends without storages of their own (mtia, some PrivateUse1) save a CPU tensor and the device to bring
/// it to.
TEST_F(DeviceLoad, TensorsWithALocationOfTheirOwnGoThereTogether) {
  const auto on_device = [](const Pickle& cpu_tensor) {
    return call(global("torch._utils", "_rebuild_device_tensor_from_cpu_tensor"),
                {cpu_tensor, global("torch", "float32"), str(fake(1).str()), boolean(false)});
  };
  const Checkpoint checkpoint = open_content(dict({{str("a"), on_device(tensor({}))},
                                                   {str("b"), on_device(tensor({.offset = 2, .size = {4}}))},
                                                   {str("c"), tensor({})}}));
  const StateDict saved = StateDict::load(checkpoint);
  EXPECT_EQ(from_c10(tensor_at(saved, "a").device()), fake(1));
  EXPECT_TRUE(share_storage(tensor_at(saved, "a"), tensor_at(saved, "b")));
  EXPECT_EQ(floats_of(tensor_at(saved, "b")), (std::vector<float>{2, 3, 4, 5}));
  EXPECT_TRUE(tensor_at(saved, "c").device().is_cpu());
  EXPECT_EQ(stats(1).host_to_device_copies, 1);
  const StateDict cpu = StateDict::load(checkpoint, load_to(Device::cpu()));
  EXPECT_TRUE(share_storage(tensor_at(cpu, "a"), tensor_at(cpu, "c")));
}

TEST_F(DeviceLoad, BestDeviceIsTheAcceleratorThatIsThere) {
  EXPECT_EQ(best_available_device(), fake(0));
  EXPECT_EQ(device_count(fake(0).type), 2);
  EXPECT_EQ(available_devices(), (std::vector<Device>{Device::cpu(), fake(0), fake(1)}));
  ASSERT_EQ(tf_fake_set_device_count(0), 0);
  EXPECT_EQ(best_available_device(), Device::cpu());
  EXPECT_EQ(available_devices(), std::vector<Device>{Device::cpu()});
}

TEST_F(DeviceLoad, PyTorchsCudaFilesLandWhereTheyAreSent) {
  LoadOptions options;
  options.map_location = MapLocation::remap({{"cuda:0", fake(0)}, {"cuda:1", fake(1)}});
  const StateDict mixed_file = StateDict::load(Checkpoint::open(fixture("cuda_mixed.pt")), options);
  EXPECT_EQ(from_c10(tensor_at(mixed_file, "cuda0.w").device()), fake(0));
  EXPECT_EQ(from_c10(tensor_at(mixed_file, "cuda1.0").device()), fake(1));
  EXPECT_TRUE(tensor_at(mixed_file, "cpu").device().is_cpu());
  const StateDict cuda0 = StateDict::load(Checkpoint::open(fixture("cuda0.pt")), options);
  EXPECT_TRUE(share_storage(tensor_at(cuda0, "weight"), tensor_at(cuda0, "flat")));
  EXPECT_TRUE(tensor_at(cuda0, "weight").is_same(tensor_at(cuda0, "tied")));
}

}  // namespace
}  // namespace torchferry::testing
