// C++ modules by name, and files that C++ torch::save wrote.

#include <torchferry/native_module.h>

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <torch/serialize.h>
#include <torchferry/register_module.h>

#include <sstream>

#include "io/error_of.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

struct Inner : torch::nn::Module {
  explicit Inner(std::int64_t size) { weight = register_parameter("weight", at::full({size}, 1.0)); }
  at::Tensor weight;
};

struct Scaling : torch::nn::Module {
  explicit Scaling(std::int64_t size) {
    inner = register_module("inner", std::make_shared<Inner>(size));
    shift = register_buffer("shift", at::full({size}, 2.0));
  }
  at::Tensor forward(const at::Tensor& x) { return x * inner->weight + shift; }
  std::shared_ptr<Inner> inner;
  at::Tensor shift;
};

TORCHFERRY_REGISTER_MODULE("native_module_test_scaling", [](const ModuleConfig& config) {
  return std::make_shared<Scaling>(config.integer("size", 3));
});

/// What torch::save(module, path) writes of a module whose tensors are all `value`.
StateDict saved_by_torch(std::int64_t size, double value) {
  const auto module = std::make_shared<Scaling>(size);
  {
    const c10::InferenceMode mode;
    module->inner->weight.fill_(value);
    module->shift.fill_(value);
  }
  std::ostringstream out;
  torch::save(module, out);
  const auto bytes = std::make_shared<const std::string>(out.str());
  LoadOptions options;
  options.mmap = false;
  return StateDict::load(Checkpoint::open(std::as_bytes(std::span(*bytes)), bytes, "module.pt"), options);
}

TEST(NativeModule, TakesWhatTorchSaveWrote) {
  NativeModule module = NativeModule::create("native_module_test_scaling");
  module.load_state_dict(saved_by_torch(3, 4));
  const at::Tensor input[] = {at::full({3}, 10.0)};
  const std::vector<at::Tensor> output = module.forward(input);
  ASSERT_EQ(output.size(), 1U);
  EXPECT_EQ(floats_of(output[0]), (std::vector<float>(3, 44)));
  EXPECT_FALSE(output[0].is_inference());
}

TEST(NativeModule, ChecksShapesOfWhatTorchSaveWrote) {
  NativeModule module = NativeModule::create("native_module_test_scaling", ModuleConfig({{"size", std::int64_t{5}}}));
  const Error error = error_of([&] { module.load_state_dict(saved_by_torch(3, 4)); });
  EXPECT_EQ(error.message(),
            "Error(s) in loading state_dict for Scaling:"
            "\n\tsize mismatch for shift: copying a param with shape torch.Size([3]) from checkpoint, the shape in "
            "current model is torch.Size([5])."
            "\n\tsize mismatch for inner.weight: copying a param with shape torch.Size([3]) from checkpoint, the shape "
            "in current model is torch.Size([5]).");
  EXPECT_TRUE(at::equal(module.state_dict().tensor(1), at::full({5}, 1.0)));
}

TEST(NativeModule, ResNetsHaveTorchvisionsCounts) {
  const std::vector<std::pair<std::string, std::size_t>> counts{
      {"resnet18", 122}, {"resnet34", 218}, {"resnet50", 320}, {"resnet101", 626}, {"resnet152", 932}};
  for (const auto& [name, count] : counts) {
    EXPECT_EQ(NativeModule::create(name, {}, Device::meta()).state_dict().size(), count) << name;
  }
}

TEST(NativeModule, TrainingUpdatesTheRunningStatistics) {
  const NativeModule module =
      NativeModule::create("resnet18", ModuleConfig({{"num_classes", std::int64_t{2}}}));
  const at::Tensor input[] = {at::full({2, 3, 32, 32}, 0.5)};
  module.forward(input);
  const StateDict own = module.state_dict();
  EXPECT_EQ(own.tensor(*own.find("bn1.num_batches_tracked")).item<std::int64_t>(), 1);
  EXPECT_FALSE(at::equal(own.tensor(*own.find("bn1.running_mean")), at::full({64}, 0.0)));
}

}  // namespace
}  // namespace torchferry::testing
