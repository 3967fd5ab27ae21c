// What the fake accelerator computes, and the order in which its streams work.

#include "fake_device/fake_device.h"

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <gtest/gtest.h>
#include <torchferry/staging.h>

#include <chrono>
#include <cstring>
#include <string>

namespace {

using at::Tensor;

c10::Device fake(int index) { return {c10::DeviceType::PrivateUse1, static_cast<c10::DeviceIndex>(index)}; }

tf_fake_device_stats stats_of(int index) {
  tf_fake_device_stats stats{};
  EXPECT_EQ(tf_fake_stats(index, &stats), 0) << tf_fake_last_error();
  return stats;
}

const c10::impl::VirtualGuardImpl& guard() {
  static const c10::impl::VirtualGuardImpl impl(c10::DeviceType::PrivateUse1);
  return impl;
}

class FakeDeviceWork : public testing::Test {
 protected:
  void SetUp() override { restore(); }
  void TearDown() override { restore(); }

  static void restore() {
    for (c10::DeviceIndex index : {0, 1}) {
      tf_fake_set_bandwidth(index, 0);
      guard().synchronizeDevice(index);
    }
    tf_fake_fail_next_copy(-1);
    torchferry::release_staging();  // pinned buffers that loads of other tests left for the next load
    tf_fake_reset_stats();
  }
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

constexpr int64_t megabyte = 1'000'000;

Tensor pinned_ones(int64_t bytes) {
  return at::empty({bytes}, at::TensorOptions(at::kByte).pinned_memory(true)).fill_(1);
}

Tensor device_bytes(int64_t bytes, int index) {
  return at::empty({bytes}, at::TensorOptions(at::kByte).device(fake(index)));
}

TEST_F(FakeDeviceWork, ComputesWhatTheCpuComputes) {
  const c10::Device device = fake(1);
  const Tensor x = at::randn({6, 5});
  const Tensor weight = at::randn({4, 5});
  const Tensor bias = at::randn({4});
  EXPECT_TRUE(at::equal(at::mm(x.to(device), weight.t().to(device)).cpu(), at::mm(x, weight.t())));
  EXPECT_TRUE(at::equal(at::relu(x.to(device)).cpu(), at::relu(x)));
  const Tensor y = at::linear(x.to(device), weight.to(device), bias.to(device));
  EXPECT_EQ(y.device(), device);
  EXPECT_TRUE(at::equal(y.cpu(), at::linear(x, weight, bias)));
  EXPECT_TRUE(at::equal(at::cat({y, y}).cpu(), at::cat({y.cpu(), y.cpu()})));
  const Tensor image = at::randn({2, 3, 8, 8});
  const Tensor kernel = at::randn({4, 3, 3, 3});
  EXPECT_TRUE(at::equal(at::conv2d(image.to(device), kernel.to(device), bias.to(device), 2, 1).cpu(),
                        at::conv2d(image, kernel, bias, 2, 1)));
}

TEST_F(FakeDeviceWork, DoesNotCountWhatAnOperatorCopiesInside) {
  const Tensor x = at::ones({3, 3}).to(fake(0));
  tf_fake_reset_stats();
  tf_fake_fail_next_copy(0);
  Tensor(x).add_(at::mm(x, x));
  const tf_fake_device_stats stats = stats_of(0);
  EXPECT_EQ(stats.operators, 2);
  EXPECT_EQ(stats.host_to_device_copies + stats.device_to_host_copies + stats.same_device_copies, 0);
  tf_fake_fail_next_copy(-1);
  EXPECT_TRUE(at::equal(x.cpu(), at::ones({3, 3}).mul(4)));
}

TEST_F(FakeDeviceWork, NormalizesBatchesAndKeepsRunningStatistics) {
  const Tensor x = at::randn({4, 3, 2, 2});
  const auto run = [&](const c10::Device& device, bool training, Tensor& mean, Tensor& variance) {
    const Tensor ones = at::ones({3}, device);
    return at::batch_norm(x.to(device), ones, ones, mean, variance, training, 0.1, 1e-5, false).cpu();
  };
  Tensor mean = at::zeros({3}), variance = at::ones({3});
  Tensor fake_mean = mean.to(fake(0)), fake_variance = variance.to(fake(0));
  for (const bool training : {true, false})
    EXPECT_TRUE(
        at::equal(run(fake(0), training, fake_mean, fake_variance), run(at::kCPU, training, mean, variance)));
  EXPECT_TRUE(at::equal(fake_mean.cpu(), mean));
  EXPECT_TRUE(at::equal(fake_variance.cpu(), variance));
  EXPECT_FALSE(at::equal(mean, at::zeros({3})));
}

TEST_F(FakeDeviceWork, RefusesTensorsOfTwoDevices) {
  const Tensor x = at::ones({2, 2});
  EXPECT_THROW(at::mm(x.to(fake(0)), x), c10::Error);
  EXPECT_THROW(at::mm(x.to(fake(0)), x.to(fake(1))), c10::Error);
  const Tensor image = at::ones({1, 1, 3, 3}), kernel = at::ones({1, 1, 2, 2});
  EXPECT_THROW(at::conv2d(image.to(fake(0)), kernel), c10::Error);
  EXPECT_TRUE(at::equal((x.to(fake(0)).mul(at::ones({}))).cpu(), x));
}

TEST_F(FakeDeviceWork, DifferentiatesThroughTheDevice) {
  Tensor x = at::ones({2, 2}).to(fake(1)).set_requires_grad(true);
  x.mul(x).mul(3).sum().backward();
  EXPECT_EQ(x.grad().device(), fake(1));
  EXPECT_TRUE(at::equal(x.grad().cpu(), at::ones({2, 2}).mul(6)));
}

TEST_F(FakeDeviceWork, PinsHostMemory) {
  {
    const Tensor pinned = pinned_ones(1000);
    EXPECT_TRUE(pinned.is_cpu());
    EXPECT_TRUE(pinned.is_pinned());
    EXPECT_EQ(tf_fake_is_pinned(pinned.data_ptr()), 1);
    EXPECT_FALSE(at::ones({2}).is_pinned());
    EXPECT_TRUE(at::ones({2}).pin_memory().is_pinned());
    EXPECT_EQ(stats_of(0).pinned_allocations, 2);
    EXPECT_EQ(stats_of(1).pinned_bytes, 1000);
    EXPECT_EQ(stats_of(0).pinned_peak_bytes, 1008);
  }
  EXPECT_EQ(stats_of(0).pinned_bytes, 0);
}

TEST_F(FakeDeviceWork, CopiesPinnedMemoryBehindTheCallersBack) {
  ASSERT_EQ(tf_fake_set_bandwidth(0, 10 * megabyte), 0);
  Tensor there = device_bytes(3 * megabyte, 0);
  Tensor pinned = pinned_ones(3 * megabyte);
  const auto start = std::chrono::steady_clock::now();
  there.copy_(pinned, /*non_blocking=*/true);
  c10::Event event(c10::DeviceType::PrivateUse1);
  event.record(guard().getStream(fake(0)));
  EXPECT_FALSE(event.query());
  EXPECT_FALSE(guard().queryStream(guard().getStream(fake(0))));
  pinned.reset();  // the queued copy keeps the memory
  EXPECT_EQ(stats_of(0).pinned_bytes, 3 * megabyte);
  event.synchronize();
  EXPECT_TRUE(event.query());
  EXPECT_GE(seconds_since(start), 0.3);
  EXPECT_EQ(stats_of(0).async_copies, 1);
  tf_fake_set_bandwidth(0, 0);
  EXPECT_TRUE(at::equal(there.cpu(), at::ones({3 * megabyte}, at::kByte)));
}

TEST_F(FakeDeviceWork, KeepsFreedPinnedMemoryForQueuedCopies) {
  ASSERT_EQ(tf_fake_set_bandwidth(0, 10 * megabyte), 0);
  Tensor there = device_bytes(megabyte, 0);
  {
    const Tensor owner = pinned_ones(megabyte);
    there.copy_(at::from_blob(owner.data_ptr(), {megabyte}, at::kByte), /*non_blocking=*/true);
  }
  EXPECT_EQ(stats_of(0).pinned_bytes, 0);
  EXPECT_EQ(stats_of(0).async_copies, 1);
  EXPECT_TRUE(at::equal(there.cpu(), at::ones({megabyte}, at::kByte)));
}

TEST_F(FakeDeviceWork, ReadsThePinnedBufferOnlyWhenTheCopyRuns) {
  ASSERT_EQ(tf_fake_set_bandwidth(0, 10 * megabyte), 0);
  Tensor there = device_bytes(3 * megabyte, 0);
  const Tensor pinned = pinned_ones(3 * megabyte);
  there.copy_(pinned, /*non_blocking=*/true);
  std::memset(pinned.data_ptr(), 2,
              static_cast<size_t>(megabyte));  // too early: a real device may see it too
  EXPECT_EQ(there.slice(0, 0, 1).item<uint8_t>(), 2);
}

TEST_F(FakeDeviceWork, WaitsForPageableMemory) {
  ASSERT_EQ(tf_fake_set_bandwidth(1, 10 * megabyte), 0);
  const auto start = std::chrono::steady_clock::now();
  const Tensor there = at::ones({megabyte}, at::kByte).to(fake(1), at::kByte, /*non_blocking=*/true);
  EXPECT_GE(seconds_since(start), 0.1);
  EXPECT_EQ(stats_of(1).async_copies, 0);
  EXPECT_TRUE(guard().queryStream(guard().getStream(fake(1))));
}

TEST_F(FakeDeviceWork, SharesOneLinkBetweenStreams) {
  ASSERT_EQ(tf_fake_set_bandwidth(0, 10 * megabyte), 0);
  const Tensor pinned = pinned_ones(megabyte);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) {
    const c10::StreamGuard on(guard().getStreamFromGlobalPool(fake(0)));
    device_bytes(megabyte, 0).copy_(pinned, /*non_blocking=*/true);  // freed while its copy is queued
  }
  guard().synchronizeDevice(0);
  EXPECT_GE(seconds_since(start), 0.3);
  EXPECT_EQ(stats_of(0).host_to_device_copies, 3);
}

TEST_F(FakeDeviceWork, OrdersStreamsByEventsAndDevicesByCopies) {
  ASSERT_EQ(tf_fake_set_bandwidth(0, 10 * megabyte), 0);
  const Tensor pinned = pinned_ones(2 * megabyte);
  Tensor first = device_bytes(2 * megabyte, 0), second = device_bytes(2 * megabyte, 0);
  const c10::Stream loading = guard().getNewStream(fake(0));
  EXPECT_NE(loading, guard().getDefaultStream(fake(0)));
  c10::Event loaded(c10::DeviceType::PrivateUse1);
  {
    const c10::StreamGuard on(loading);
    first.copy_(pinned, /*non_blocking=*/true);
    loaded.record(loading);
  }
  loaded.block(guard().getStream(fake(0)));
  second.copy_(first, /*non_blocking=*/true);
  Tensor across = device_bytes(2 * megabyte, 1);
  across.copy_(second, /*non_blocking=*/true);
  EXPECT_FALSE(loaded.query());
  EXPECT_TRUE(
      at::equal(across.cpu(), at::ones({2 * megabyte}, at::kByte)));  // waits for index 1, so for all before
  EXPECT_EQ(stats_of(1).cross_device_copies, 1);
  EXPECT_EQ(stats_of(0).same_device_copies, 1);
}

TEST_F(FakeDeviceWork, FailsTheCopyThatWasAskedToFail) {
  const Tensor host = at::ones({8});
  tf_fake_fail_next_copy(1);
  const Tensor there = host.to(fake(0));
  EXPECT_THROW(host.to(fake(1)), c10::Error);
  EXPECT_TRUE(at::equal(there.cpu(), host));
  EXPECT_EQ(stats_of(1).failed_copies, 1);
  EXPECT_EQ(stats_of(1).live_allocations, 0);
}

TEST_F(FakeDeviceWork, ReportsAnAsynchronousFailureWhenSynchronized) {
  const Tensor pinned = pinned_ones(100);
  Tensor there = device_bytes(100, 0);
  tf_fake_fail_next_copy(0);
  there.copy_(pinned, /*non_blocking=*/true);
  c10::Event event(c10::DeviceType::PrivateUse1);
  event.record(guard().getStream(fake(0)));
  EXPECT_THROW(event.synchronize(), c10::Error);
  EXPECT_THROW(guard().synchronizeStream(guard().getStream(fake(0))), c10::Error);
  guard().synchronizeStream(guard().getStream(fake(0)));
  there.copy_(pinned, /*non_blocking=*/true);
  EXPECT_TRUE(at::equal(there.cpu(), pinned));
}

TEST_F(FakeDeviceWork, KeepsOneGeneratorForEachIndex) {
  at::Generator generator = at::globalContext().defaultGenerator(fake(1));
  EXPECT_EQ(generator.device(), fake(1));
  generator.set_current_seed(7);
  EXPECT_EQ(at::globalContext().defaultGenerator(fake(1)).current_seed(), 7U);
  EXPECT_NE(at::globalContext().defaultGenerator(fake(0)).current_seed(), 7U);
}

}  // namespace
