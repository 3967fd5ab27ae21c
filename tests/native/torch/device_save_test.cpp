// Saving from a device, proven on a fake accelerator that counts its copies and can make them fail.

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/DeviceType.h>
#include <gtest/gtest.h>
#include <torchferry/error.h>
#include <torchferry/save.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

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

/// Counts the bytes that libtorch allocates on the host.
class HostMemory final : public c10::Allocator {
 public:
  static HostMemory& watching() {
    static HostMemory* const allocator = [] {
      auto* const made = new HostMemory(c10::GetCPUAllocator());
      c10::SetCPUAllocator(made, 1);
      return made;
    }();
    allocator->peak_ = allocator->live_.load();
    return *allocator;
  }
  std::size_t peak_since(std::size_t before) const { return peak_ - before; }
  std::size_t live() const { return live_; }

  /// What it gives is its own context, as libtorch's kernels count on, and may be given back by either allocator.
  c10::DataPtr allocate(std::size_t bytes) override {
    c10::DataPtr memory = inner_->allocate(bytes);
    void* const start = memory.get();
    if (start == nullptr) return memory;
    memory.release_context();
    const std::scoped_lock lock(mutex_);
    auto& size = sizes_[start];
    live_ += bytes - std::exchange(size, bytes);
    peak_ = std::max<std::size_t>(peak_, live_);
    return {start, start, &release, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  explicit HostMemory(c10::Allocator* inner) : inner_(inner) {}
  static HostMemory& the() { return static_cast<HostMemory&>(*c10::GetCPUAllocator()); }
  static void release(void* start) {
    HostMemory& own = the();
    {
      const std::scoped_lock lock(own.mutex_);
      const auto known = own.sizes_.find(start);
      if (known != own.sizes_.end()) {
        own.live_ -= known->second;
        own.sizes_.erase(known);
      }
    }
    own.inner_->raw_deallocate(start);
  }

  c10::Allocator* const inner_;
  std::mutex mutex_;
  std::unordered_map<void*, std::size_t> sizes_;
  std::atomic<std::size_t> live_{0};
  std::atomic<std::size_t> peak_{0};
};

TEST_F(DeviceSave, HostMemoryStaysBoundedWhateverIsSaved) {
  const at::Tensor flat = on_device(at::arange(16 * kMiB, c10::kFloat), 1);
  const at::Tensor transposed = on_device(at::arange(8 * kMiB, c10::kFloat), 0).view({2048, -1}).t();
  const StateDict state_dict = StateDict::of({{"flat", flat}, {"transposed", transposed}});
  SaveOptions safetensors;
  safetensors.format = Format::safetensors;
  SaveOptions shards = safetensors;
  shards.max_shard_bytes = 40 * kMiB;
  for (const SaveOptions& options : {SaveOptions{}, safetensors, shards}) {
    tf_fake_reset_stats();
    HostMemory& host = HostMemory::watching();
    const std::size_t before = host.live();
    const SaveReport report = save(state_dict, path(), options);
    EXPECT_LE(host.peak_since(before), 17U * kMiB);
    EXPECT_GE(host.peak_since(before), 16U * kMiB) << "or nothing was counted";
    EXPECT_EQ(stats(0).device_to_host_bytes + stats(1).device_to_host_bytes, 96 * kMiB);
    EXPECT_LE(stats(0).allocated_peak_bytes, (32 + 17) * kMiB) << "packed in pieces, not as a whole";
  }
  const Checkpoint second = Checkpoint::open(folder_ / "model-00002-of-00002.pt");
  const StateDict loaded = StateDict::load(second, load_to(Device::cpu()));
  EXPECT_TRUE(at::equal(tensor_at(loaded, "transposed"), transposed.cpu()));
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
