// Tensors that are used while the rest of their checkpoint is still on its way, proven on a fake accelerator that holds
// its copies until it is told to let them go.

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>
#include <torchferry/devices.h>
#include <torchferry/error.h>
#include <torchferry/staging.h>
#include <torchferry/streaming_load.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "fake_device/fake_device.h"
#include "io/error_of.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

/// Elements of a tensor; four of them fill a staging buffer.
constexpr std::size_t kNumel = kStagingChunk / 16;

std::string payload(std::size_t bytes, unsigned seed) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>((i * 2654435761U + seed) >> 11);
  return text;
}

class StreamingLoadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(tf_fake_set_device_count(2), 0);
    tf_fake_reset_stats();
  }
  void TearDown() override {
    tf_fake_hold_copies(-1);
    tf_fake_fail_next_copy(-1);
    EXPECT_EQ(allocated(), 0) << "device memory was leaked";
    EXPECT_EQ(staging_status().in_use, 0U) << "staging buffers were leaked";
    release_staging();
  }

  static Device fake(int index = 0) { return {c10::get_privateuse1_backend(), index}; }
  static std::int64_t allocated() {
    std::int64_t sum = 0;
    for (int index = 0; index < 2; ++index) {
      tf_fake_device_stats stats{};
      EXPECT_EQ(tf_fake_stats(index, &stats), 0);
      sum += stats.allocated_bytes;
    }
    return sum;
  }

  /// `count` float tensors, each in a storage of its own; names "t0", "t1", …
  static Checkpoint checkpoint(std::size_t count, std::size_t numel = kNumel) { return open_bytes(file(count, numel)); }
  static std::string file(std::size_t count, std::size_t numel) {
    std::vector<std::pair<Pickle, Pickle>> items;
    std::vector<std::pair<std::string, std::string>> storages;
    const auto n = static_cast<std::int64_t>(numel);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string key = std::to_string(i);
      items.emplace_back(str("t" + key), tensor({.key = key, .numel = n, .size = {n}, .location = "cuda:0"}));
      storages.emplace_back(key, payload(numel * 4, static_cast<unsigned>(i)));
    }
    return archive(dict(items), storages);
  }

  static std::string bytes(const at::Tensor& tensor) {
    const at::Tensor here = tensor.cpu().contiguous();
    return {static_cast<const char*>(here.const_data_ptr()), here.nbytes()};
  }

  static LoadOptions one_thread_to(const Device& device) {
    LoadOptions options = load_to(device);
    options.threads = 1;
    return options;
  }

  /// Everything that `next` gives, in order.
  static std::vector<std::pair<std::string, at::Tensor>> all(StreamingLoad& load) {
    std::vector<std::pair<std::string, at::Tensor>> items;
    while (const auto batch = load.next()) {
      EXPECT_GT(batch->size(), 0U);
      for (std::size_t i = 0; i < batch->size(); ++i) items.emplace_back(batch->key(i), batch->tensor(i));
    }
    return items;
  }

  /// Each tensor of the load exactly once, and the same objects as at the end.
  static void expect_complete(StreamingLoad& load) {
    const auto items = all(load);
    EXPECT_FALSE(load.next().has_value());
    const StateDict whole = load.finish();
    ASSERT_EQ(items.size(), whole.size());
    for (const auto& [key, tensor] : items) {
      EXPECT_TRUE(tensor_at(whole, key).is_same(tensor)) << key;
      EXPECT_TRUE(load.await(key).is_same(tensor)) << key;
    }
  }
};

TEST_F(StreamingLoadTest, AFirstTensorIsUsedWhileTheOthersAreHeld) {
  tf_fake_hold_copies(1);
  StreamingLoad load(checkpoint(12), one_thread_to(fake()));
  EXPECT_EQ(bytes(load.await("t0")), payload(kNumel * 4, 0));
  const auto first = load.next();
  ASSERT_TRUE(first.has_value());
  ASSERT_GE(first->size(), 1U);
  EXPECT_LE(first->size(), 4U) << "no more than the one copy that went brought";
  EXPECT_EQ(first->key(0), "t0");
  EXPECT_TRUE(first->tensor(0).is_same(load.await("t0")));
  tf_fake_hold_copies(-1);
  const StateDict whole = load.finish();
  ASSERT_EQ(whole.size(), 12U);
  for (unsigned i = 0; i < 12; ++i) EXPECT_EQ(bytes(whole.tensor(i)), payload(kNumel * 4, i)) << i;
  EXPECT_TRUE(whole.tensor(0).is_same(first->tensor(0)));
}

TEST_F(StreamingLoadTest, AStreamWaitsWhileTheHostGoesOn) {
  tf_fake_hold_copies(0);
  StreamingLoad load(checkpoint(4), one_thread_to(fake(1)));
  const at::Tensor weights = load.await_in_stream("t2");
  const at::Tensor used = at::empty({static_cast<std::int64_t>(kNumel)}, weights.options());
  used.copy_(weights, /*non_blocking=*/true);
  tf_fake_hold_copies(-1);
  EXPECT_EQ(bytes(used), payload(kNumel * 4, 2));
  load.finish();
}

TEST_F(StreamingLoadTest, EveryTensorArrivesOnceInWhateverWayItTravels) {
  const Checkpoint checkpoint = StreamingLoadTest::checkpoint(30, 200'000);
  for (const Device& device : {fake(0), Device::cpu(), Device::meta()}) {
    for (const bool mmap : {true, false}) {
      for (const DeviceMemory memory : {DeviceMemory::slab, DeviceMemory::per_storage}) {
        LoadOptions options = load_to(device, mmap);
        options.device_memory = memory;
        StreamingLoad load(checkpoint, options);
        expect_complete(load);
        if (device == Device::meta()) continue;
        EXPECT_EQ(bytes(load.await("t17")), payload(800'000, 17));
      }
    }
  }
}

TEST_F(StreamingLoadTest, SumsAndCastsArriveToo) {
  const Checkpoint checkpoint = StreamingLoadTest::checkpoint(5, 1000);
  for (const Device& device : {fake(0), Device::cpu()}) {
    LoadOptions options = load_to(device);
    options.verify_checksums = true;
    StreamingLoad checked(checkpoint, options);
    EXPECT_EQ(bytes(checked.await("t3")), payload(4000, 3));
    expect_complete(checked);
    options.cast = DType::float16;
    StreamingLoad cast(checkpoint, options);
    EXPECT_EQ(cast.await("t1").scalar_type(), at::kHalf);
    expect_complete(cast);
  }
}

TEST_F(StreamingLoadTest, FilesOfEveryKindArriveWhole) {
  for (const char* name : {"attributes.pt", "cuda_mixed.pt", "deflated.pt", "dtypes.pt", "golden_legacy.pt",
                           "lazy_bits.pt", "legacy_storage_part.pt", "meta.pt", "misaligned.pt", "nested_tensor.pt", "quantized.pt",
                           "sharing.pt", "sparse.pt", "tar.pt", "training.pt", "views.pt", "whole_model.pt",
                           "sharded_safetensors.d", "distributed_nested.d", "safetensors_small.safetensors"}) {
    SCOPED_TRACE(name);
    const Checkpoint checkpoint = Checkpoint::open(fixture(name));
    LoadOptions options = load_to(Device::cpu(), /*mmap=*/false);
    StreamingLoad load(checkpoint, options);
    expect_complete(load);
    const StateDict direct = StateDict::load(checkpoint, options);
    const StateDict streamed = load.finish();
    ASSERT_EQ(streamed.size(), direct.size());
    for (std::size_t i = 0; i < direct.size(); ++i) {
      EXPECT_EQ(streamed.key(i), direct.key(i));
      EXPECT_EQ(streamed.is_parameter(i), direct.is_parameter(i));
      EXPECT_EQ(streamed.tensor(i).layout(), direct.tensor(i).layout());
      if (direct.tensor(i).is_nested()) continue;  // has no sizes
      EXPECT_EQ(streamed.tensor(i).sizes(), direct.tensor(i).sizes());
    }
  }
}

TEST_F(StreamingLoadTest, SharedStoragesStayShared) {
  StreamingLoad load(Checkpoint::open(fixture("sharing.pt")), load_to(fake()));
  EXPECT_TRUE(share_storage(load.await("same"), load.await("flat")));
  expect_complete(load);
}

TEST_F(StreamingLoadTest, ManyThreadsMayWait) {
  const Checkpoint checkpoint = StreamingLoadTest::checkpoint(16, 300'000);
  StreamingLoad load(checkpoint, load_to(fake()));
  std::vector<std::string> seen(16);
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < 16; ++i) {
      threads.emplace_back([&, i] { seen[i] = bytes(load.await("t" + std::to_string(15 - i))); });
    }
  }
  for (unsigned i = 0; i < 16; ++i) EXPECT_EQ(seen[i], payload(1'200'000, 15 - i)) << i;
}

TEST_F(StreamingLoadTest, AFailedCopyIsEveryonesErrorAndGivesEverythingBack) {
  const Checkpoint checkpoint = StreamingLoadTest::checkpoint(12);
  for (const std::int64_t failing : {0, 1, 2}) {
    tf_fake_fail_next_copy(failing);
    StreamingLoad load(checkpoint, load_to(fake()));
    EXPECT_STREQ(name(error_of([&] { load.await("t11"), load.finish(); }).code()), "device_unavailable");
    EXPECT_STREQ(name(error_of([&] { load.await("t0"); }).code()), "device_unavailable");
    EXPECT_STREQ(name(error_of([&] { load.await_in_stream("t0"); }).code()), "device_unavailable");
    EXPECT_STREQ(name(error_of([&] { load.next(); }).code()), "device_unavailable");
    EXPECT_STREQ(name(error_of([&] { load.finish(); }).code()), "device_unavailable");
    EXPECT_EQ(allocated(), 0);
  }
}

TEST_F(StreamingLoadTest, MemoryThatRunsOutIsEveryonesError) {
  ASSERT_EQ(tf_fake_set_memory_limit(0, 5000), 0);
  StreamingLoad load(checkpoint(2, 1000), load_to(fake()));
  EXPECT_STREQ(name(error_of([&] { load.await("t0"); }).code()), "out_of_memory");
  EXPECT_STREQ(name(error_of([&] { load.finish(); }).code()), "out_of_memory");
  ASSERT_EQ(tf_fake_set_memory_limit(0, -1), 0);
}

TEST_F(StreamingLoadTest, AFileThatBecameShorterIsAnIoError) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "streamed_becomes_shorter.pt";
  std::ofstream(path, std::ios::binary) << file(3, 300'000);
  const Checkpoint checkpoint = Checkpoint::open(path);
  std::filesystem::resize_file(path, 100'000);
  for (const Device& device : {fake(), Device::cpu()}) {
    StreamingLoad load(checkpoint, load_to(device, /*mmap=*/false));
    const Error error = error_of([&] { load.await("t2"); });
    EXPECT_STREQ(name(error.code()), "io") << error.what();
    EXPECT_EQ(error.file(), path.string());
  }
  std::filesystem::remove(path);
}

TEST_F(StreamingLoadTest, ACancelledLoadStopsAndWhatWasHandedOutStays) {
  tf_fake_hold_copies(1);
  LoadOptions options = one_thread_to(fake());
  options.progress = std::make_shared<Progress>();
  {
    StreamingLoad load(checkpoint(24), options);
    const at::Tensor kept = load.await("t1");
    load.cancel();
    tf_fake_hold_copies(-1);
    expect_error(ErrorCode::cancelled, "cancelled", [&] { load.finish(); });
    expect_error(ErrorCode::cancelled, "cancelled", [&] { load.await("t0"); });
    expect_error(ErrorCode::cancelled, "cancelled", [&] { load.next(); });
    EXPECT_LT(options.progress->done, options.progress->total);
    EXPECT_EQ(bytes(kept), payload(kNumel * 4, 1));
  }
  EXPECT_EQ(allocated(), 0);
}

TEST_F(StreamingLoadTest, LettingGoOfALoadStopsIt) {
  tf_fake_hold_copies(1);
  LoadOptions options = one_thread_to(fake());
  options.progress = std::make_shared<Progress>();
  auto load = std::make_unique<StreamingLoad>(checkpoint(24), options);
  load->await("t0");
  options.progress->cancel = true;
  tf_fake_hold_copies(-1);
  load.reset();
  EXPECT_LT(options.progress->done, options.progress->total);
  EXPECT_EQ(allocated(), 0);
}

TEST_F(StreamingLoadTest, ALoadThatHasEndedIsNotCancelled) {
  LoadOptions options = load_to(Device::cpu());
  options.progress = std::make_shared<Progress>();
  {
    StreamingLoad load(checkpoint(2, 10), options);
    load.finish();
    load.cancel();
    EXPECT_EQ(load.finish().size(), 2U);
  }
  EXPECT_FALSE(options.progress->cancel);
}

TEST_F(StreamingLoadTest, WrongNamesAreRefused) {
  StreamingLoad load(checkpoint(1, 10), load_to(Device::cpu()));
  expect_error(ErrorCode::invalid_argument, "no tensor is named 't1'", [&] { load.await("t1"); });
  const Pickle one = tensor({.numel = 1, .size = {1}});
  const Checkpoint twice = open_bytes(archive(dict({{str("a.b"), one}, {str("a"), dict({{str("b"), one}})}}),
                                              {{"0", payload(4, 1)}}));
  expect_error(ErrorCode::unsupported, "two tensors have the name 'a.b'", [&] { StreamingLoad{twice}; });
  expect_error(ErrorCode::device_unavailable, "", [&] { StreamingLoad(twice, load_to(fake(7))); });
}

TEST_F(StreamingLoadTest, WhatALoadLeavesOutIsToldWhenItIsAskedFor) {
  const Pickle quantizer = tuple({global("torch", "per_tensor_affine"), real(0.5), num(1)});
  const Pickle q = call(global("torch._utils", "_rebuild_qtensor"),
                        {storage("QInt8Storage", "1", "cpu", 6), num(0), ints({6}), ints({1}), quantizer,
                         boolean(false), ordered_dict()});
  const Checkpoint checkpoint = open_bytes(
      archive(dict({{str("q"), q}, {str("w"), tensor({.numel = 1, .size = {1}})}}),
              {{"0", payload(4, 1)}, {"1", "123456"}}));
  const StateDict direct = StateDict::load(checkpoint, load_to(Device::meta()));
  ASSERT_FALSE(direct.report().skipped.empty());
  StreamingLoad load(checkpoint, load_to(Device::meta()));
  expect_complete(load);
  for (const auto& [key, reason] : direct.report().skipped) {
    const Error error = error_of([&] { load.await(key); });
    EXPECT_STREQ(name(error.code()), "unsupported");
    EXPECT_NE(error.message().find(reason), std::string::npos) << error.message();
  }
}

}  // namespace
}  // namespace torchferry::testing
