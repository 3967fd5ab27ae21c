// The fake accelerator must behave like a device, or the tests that rely on it prove nothing.

#include "fake_device/fake_device.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_neg_view.h>
#include <ATen/ops/_reshape_alias.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/view_as_complex.h>
#include <ATen/ops/view_as_real.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

namespace {

using at::Tensor;

c10::Device fake(int index) { return {c10::DeviceType::PrivateUse1, static_cast<c10::DeviceIndex>(index)}; }

tf_fake_device_stats stats_of(int index) {
  tf_fake_device_stats stats{};
  EXPECT_EQ(tf_fake_stats(index, &stats), 0) << tf_fake_last_error();
  return stats;
}

/// The message a call throws as Exception; a failure when it throws nothing.
template <class Exception = c10::Error, class Action>
std::string message_of(Action action) {
  try {
    action();
  } catch (const Exception& error) {
    return error.what_without_backtrace();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "in: " << text;
}

class FakeDevice : public testing::Test {
 protected:
  void SetUp() override { restore(); }
  void TearDown() override { restore(); }

  static void restore() {
    tf_fake_fail_next_copy(-1);
    tf_fake_set_device_count(2);
    for (int index : {0, 1}) {
      tf_fake_set_memory_limit(index, -1);
      tf_fake_set_bandwidth(index, 0);
    }
    tf_fake_reset_stats();
  }
};

const std::vector<at::ScalarType> every_dtype = {
    at::kBool,          at::kByte,          at::kChar,        at::kShort,           at::kInt,
    at::kLong,          at::kUInt16,        at::kUInt32,      at::kUInt64,          at::kHalf,
    at::kFloat,         at::kDouble,        at::kBFloat16,    at::kComplexHalf,     at::kComplexFloat,
    at::kComplexDouble, at::kFloat8_e4m3fn, at::kFloat8_e5m2, at::kFloat8_e4m3fnuz, at::kFloat8_e5m2fnuz,
    at::kFloat8_e8m0fnu};

/// 24 elements with many different bit patterns, NaNs with payloads among them.
Tensor patterned(at::ScalarType dtype) {
  const auto bytes = static_cast<int64_t>(24 * c10::elementSize(dtype));
  Tensor raw = at::empty({bytes}, at::kByte);
  for (int64_t i = 0; i < bytes; ++i)
    raw.data_ptr<uint8_t>()[i] = static_cast<uint8_t>(dtype == at::kBool ? i % 3 == 0 : i * 89 + 251);
  return raw.view(dtype).view({4, 6});
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         at::equal(a.contiguous().view(at::kByte), b.contiguous().view(at::kByte));
}

TEST_F(FakeDevice, IsTheAcceleratorWithTwoIndices) {
  const c10::impl::VirtualGuardImpl guard(c10::DeviceType::PrivateUse1);
  EXPECT_EQ(guard.deviceCount(), 2);
  EXPECT_EQ(at::accelerator::deviceCount(), 2);
  EXPECT_EQ(at::getAccelerator(), c10::DeviceType::PrivateUse1);
  EXPECT_EQ(c10::Device("privateuseone:1"), fake(1));
  EXPECT_EQ(fake(1).str(), "privateuseone:1");
  ASSERT_EQ(tf_fake_set_device_count(5), 0);
  EXPECT_EQ(guard.deviceCount(), 5);
  EXPECT_EQ(at::empty({1}, fake(4)).device(), fake(4));
}

TEST_F(FakeDevice, RefusesToTakeAwayAnIndexThatHoldsMemory) {
  const Tensor held = at::empty({1}, fake(1));
  EXPECT_EQ(tf_fake_set_device_count(1), -1);
  expect_contains(tf_fake_last_error(), "index 1 still holds memory");
  EXPECT_EQ(tf_fake_set_device_count(TF_FAKE_MAX_DEVICES + 1), -1);
  EXPECT_EQ(tf_fake_device_count(), 2);
}

TEST_F(FakeDevice, RefusesAnIndexThatIsNotThere) {
  const Tensor host = at::ones({2});
  expect_contains(message_of([&] { host.to(fake(2)); }), "invalid device ordinal: index 2 of 2 devices");
  expect_contains(message_of([&] { at::empty({2}, fake(7)); }), "invalid device ordinal");
  expect_contains(message_of([&] { const c10::DeviceGuard guard(fake(2)); }), "invalid device ordinal");
  EXPECT_EQ(tf_fake_set_memory_limit(2, 0), -1);
  EXPECT_EQ(tf_fake_set_bandwidth(-1, 0), -1);
  tf_fake_device_stats stats;
  EXPECT_EQ(tf_fake_stats(2, &stats), -1);
  ASSERT_EQ(tf_fake_set_device_count(0), 0);
  EXPECT_EQ(at::accelerator::deviceCount(), 0);
  message_of([&] { host.to(fake(0)); });
}

TEST_F(FakeDevice, FollowsTheCurrentDeviceOfTheThread) {
  const c10::Device unindexed(c10::DeviceType::PrivateUse1);
  EXPECT_EQ(at::empty({1}, unindexed).device(), fake(0));
  const c10::DeviceGuard guard(fake(1));
  EXPECT_EQ(at::empty({1}, unindexed).device(), fake(1));
}

TEST_F(FakeDevice, MovesEveryDtypeBitExactlyBothWaysAndAcross) {
  for (const at::ScalarType dtype : every_dtype) {
    SCOPED_TRACE(c10::toString(dtype));
    const Tensor host = patterned(dtype);
    const Tensor there = host.to(fake(1));
    EXPECT_EQ(there.device(), fake(1));
    EXPECT_TRUE(same_bits(there.cpu(), host));
    EXPECT_TRUE(same_bits(there.to(fake(0)).cpu(), host));
    EXPECT_TRUE(same_bits(there.clone().cpu(), host));
    EXPECT_TRUE(same_bits(there.t().cpu(), host.t()));
    EXPECT_TRUE(same_bits(host.t().to(fake(0)).cpu(), host.t()));
  }
}

TEST_F(FakeDevice, CopiesBetweenStridesDtypesAndShapes) {
  const Tensor host = at::arange(24, at::kFloat).view({4, 6});
  for (const c10::Device& device : {c10::Device(at::kCPU), fake(0), fake(1)}) {
    Tensor target = at::zeros({6, 4}, at::TensorOptions(fake(0)).dtype(at::kDouble));
    target.t().copy_(host.to(device));
    EXPECT_TRUE(at::equal(target.cpu(), host.t().to(at::kDouble)));
    target.copy_(host.to(device).flatten().slice(0, 3, 7));  // broadcasts
    EXPECT_TRUE(at::equal(target.cpu(), host.flatten().slice(0, 3, 7).to(at::kDouble).expand({6, 4})));
  }
  Tensor back = at::zeros({4, 3}, at::kInt);
  back.copy_(host.to(fake(1)).slice(1, 0, 6, 2));
  EXPECT_TRUE(at::equal(back, host.slice(1, 0, 6, 2).to(at::kInt)));
}

TEST_F(FakeDevice, CopiesConjugateAndNegativeViews) {
  const Tensor host = at::randn({5}, at::kComplexFloat);
  const Tensor there = host.to(fake(0));
  EXPECT_TRUE(at::equal(there.conj().cpu().resolve_conj(), host.conj().resolve_conj()));
  EXPECT_TRUE(at::equal(host.conj().to(fake(1)).cpu().resolve_conj(), host.conj().resolve_conj()));
  EXPECT_TRUE(at::equal(at::_neg_view(there).cpu().resolve_neg(), host.neg()));
  Tensor target = at::zeros_like(there);
  target.conj().copy_(host);
  EXPECT_TRUE(at::equal(target.cpu(), host.conj().resolve_conj()));
  target.conj().copy_(there);
  EXPECT_TRUE(at::equal(target.cpu(), host.conj().resolve_conj()));
  at::_neg_view(target).copy_(there);
  EXPECT_TRUE(at::equal(target.cpu(), host.neg()));
}

TEST_F(FakeDevice, HidesItsMemoryFromTheHost) {
  Tensor there = at::ones({100}, fake(1));
  void* address = there.data_ptr();
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  EXPECT_EQ(::write(pipe[1], address, 1), -1);  // the kernel cannot read it either
  EXPECT_EQ(errno, EFAULT);
  ASSERT_EQ(::write(pipe[1], "x", 1), 1);
  EXPECT_EQ(::read(pipe[0], address, 1), -1);
  EXPECT_EQ(errno, EFAULT);
  ::close(pipe[0]);
  ::close(pipe[1]);
  EXPECT_EQ(tf_fake_owns(address), 1);
  EXPECT_EQ(tf_fake_owns(static_cast<char*>(address) + there.nbytes() - 1), 1);
  EXPECT_EQ(tf_fake_owns(static_cast<char*>(address) + there.nbytes()), -1);
  EXPECT_EQ(at::globalContext().getDeviceFromPtr(address, c10::DeviceType::PrivateUse1), fake(1));
  there.reset();
  EXPECT_EQ(tf_fake_owns(address), -1);
}

TEST_F(FakeDevice, FillsNewMemoryAndRefusesToLeaveIt) {
  const Tensor fresh = at::empty({16}, at::TensorOptions(fake(0)).dtype(at::kByte));
  EXPECT_TRUE(at::equal(fresh.cpu(), at::empty({16}, at::kByte).fill_(TF_FAKE_UNWRITTEN)));
  Tensor beyond = fresh.alias();
  beyond.unsafeGetTensorImpl()->set_sizes_contiguous({17});
  expect_contains(message_of([&] { beyond.cpu(); }), "illegal memory access");
}

TEST_F(FakeDevice, SharesStoragesBetweenViews) {
  const Tensor base = at::zeros({4, 3}, fake(1));
  tf_fake_reset_stats();
  const std::vector<Tensor> views = {base.select(0, 2),     base.t(),
                                     base.view({12}),       base.slice(1, 1, 3),
                                     base.reshape({3, 4}),  base.unfold(1, 2, 1),
                                     base.alias(),          at::_reshape_alias(base, {12}, {1}),
                                     base.expand({2, 4, 3})};
  for (const Tensor& view : views) EXPECT_TRUE(view.is_alias_of(base));
  EXPECT_EQ(stats_of(1).allocations, 0);
  views[0].fill_(5);
  Tensor expected = at::zeros({4, 3});
  expected.select(0, 2).fill_(5);
  EXPECT_TRUE(at::equal(base.cpu(), expected));
  const Tensor complex = at::view_as_complex(at::zeros({3, 2}, fake(0)));
  EXPECT_TRUE(at::view_as_real(complex).is_alias_of(complex));
}

TEST_F(FakeDevice, TakesBulkBytesInOneCopyAndViewsThem) {
  const Tensor host = at::arange(64, at::kFloat);
  const Tensor raw = at::empty({256}, at::TensorOptions(at::kByte).device(fake(0)));
  tf_fake_reset_stats();
  Tensor(raw).copy_(host.view(at::kByte));
  EXPECT_EQ(stats_of(0).host_to_device_copies, 1);
  EXPECT_EQ(stats_of(0).host_to_device_bytes, 256);

  const auto options = at::TensorOptions(at::kFloat).device(fake(0));
  Tensor first = at::empty({0}, options).set_(raw.storage(), 0, {4, 4}, {4, 1});
  Tensor tied = at::empty({0}, options).set_(raw.storage(), 0, {4, 4}, {1, 4});
  Tensor second = at::empty({0}, options).set_(raw.storage(), 16, {48}, {1});
  EXPECT_TRUE(at::equal(first.cpu(), host.slice(0, 0, 16).view({4, 4})));
  EXPECT_TRUE(at::equal(second.cpu(), host.slice(0, 16)));
  first.fill_(9);
  EXPECT_TRUE(at::equal(tied.cpu(), at::ones({4, 4}).mul(9)));
  EXPECT_TRUE(at::equal(second.cpu(), host.slice(0, 16)));
  EXPECT_EQ(stats_of(0).allocations, 0);
  Tensor whole = at::empty({0}, options).set_(raw.storage());
  EXPECT_EQ(whole.sizes(), at::IntArrayRef({64}));
  EXPECT_TRUE(at::empty({0}, options).set_(second).is_set_to(second));
  EXPECT_FALSE(whole.set_().has_storage() && whole.storage().nbytes() != 0);
  message_of([&] { at::empty({0}, options.device(fake(1))).set_(raw.storage()); });
}

TEST_F(FakeDevice, ResizesAndKeepsContents) {
  Tensor there = at::arange(6, at::kFloat).to(fake(1));
  there.resize_({2, 2});
  EXPECT_TRUE(at::equal(there.cpu(), at::arange(4, at::kFloat).view({2, 2})));
  there.resize_({10});
  EXPECT_TRUE(at::equal(there.slice(0, 0, 6).cpu(), at::arange(6, at::kFloat)));
  EXPECT_EQ(stats_of(1).allocated_bytes, 40);
  EXPECT_EQ(there.slice(0, 3, 4).item<float>(), 3.0F);
}

TEST_F(FakeDevice, RefusesMemoryBeyondTheLimit) {
  ASSERT_EQ(tf_fake_set_memory_limit(1, 4096), 0);
  const auto bytes = at::TensorOptions(at::kByte).device(fake(1));
  Tensor held = at::empty({3072}, bytes);
  const std::string text = message_of<c10::OutOfMemoryError>([&] { at::empty({2048}, bytes); });
  expect_contains(text, "FAKE out of memory. Tried to allocate 2.00 KiB. Device privateuseone:1 has a total");
  expect_contains(text, "2048 bytes requested, 1024 bytes free");
  EXPECT_EQ(at::empty({1024}, bytes).nbytes(), 1024);
  EXPECT_EQ(at::empty({2048}, bytes.device(fake(0))).nbytes(), 2048);
  auto* allocator = c10::getDeviceAllocator(c10::DeviceType::PrivateUse1);
  EXPECT_EQ(allocator->getMemoryInfo(1), std::make_pair(size_t{1024}, size_t{4096}));
  held.reset();
  EXPECT_EQ(at::empty({4096}, bytes).nbytes(), 4096);
  const tf_fake_device_stats stats = stats_of(1);
  EXPECT_EQ(stats.out_of_memory, 1);
  EXPECT_EQ(stats.allocations, 3);
  EXPECT_EQ(stats.live_allocations, 0);
  EXPECT_EQ(stats.allocated_bytes, 0);
  EXPECT_EQ(stats.allocated_peak_bytes, 4096);
  message_of<c10::OutOfMemoryError>([&] { at::empty({int64_t{1} << 50}, bytes.device(fake(0))); });
}

TEST_F(FakeDevice, CountsEveryCopyOnceByKind) {
  const Tensor host = at::ones({4, 8});
  const Tensor here = host.to(fake(0));
  const Tensor there = here.to(fake(1));
  Tensor(there).t().copy_(here.t());
  here.clone();
  there.cpu();
  there.slice(1, 0, 2).to(at::kCPU, at::kDouble);
  here.sum().item();
  const tf_fake_device_stats zero = stats_of(0);
  const tf_fake_device_stats one = stats_of(1);
  EXPECT_EQ(zero.host_to_device_copies, 1);
  EXPECT_EQ(zero.host_to_device_bytes, 128);
  EXPECT_EQ(zero.same_device_copies, 1);
  EXPECT_EQ(zero.cross_device_copies, 0);
  EXPECT_EQ(zero.device_to_host_copies, 1);
  EXPECT_EQ(zero.device_to_host_bytes, 4);
  EXPECT_EQ(zero.operators, 1);
  EXPECT_EQ(one.cross_device_copies, 2);
  EXPECT_EQ(one.cross_device_bytes, 256);
  EXPECT_EQ(one.device_to_host_copies, 2);
  EXPECT_EQ(one.async_copies, 0);
  tf_fake_reset_stats();
  EXPECT_EQ(stats_of(1).cross_device_copies, 0);
  EXPECT_EQ(stats_of(1).allocated_bytes, 128);
  EXPECT_EQ(stats_of(1).allocated_peak_bytes, 128);
}

TEST_F(FakeDevice, NamesEveryStatisticOnce) {
  EXPECT_EQ(tf_fake_stat_count() * sizeof(int64_t), sizeof(tf_fake_device_stats));
  EXPECT_STREQ(tf_fake_stat_name(0), "allocated_bytes");
  EXPECT_EQ(tf_fake_stat_name(tf_fake_stat_count()), nullptr);
}

}  // namespace
