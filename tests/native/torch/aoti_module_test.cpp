// Compiled models (.pt2): their constants from a state dict, and running them.

#include <torchferry/aoti_module.h>

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>
#include <torchferry/devices.h>
#include <torchferry/error.h>

#include <atomic>
#include <thread>

#include "fake_device/fake_device.h"
#include "io/error_of.h"
#include "torch/aoti_packages.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

using Items = std::vector<std::pair<std::string, at::Tensor>>;
using Keys = std::vector<std::string>;

AotiModule loaded(const AotiOptions& options = {}) {
  static const std::string package = aoti_package().bytes();
  return AotiModule::load(as_bytes(package), Device::cpu(), "net.pt2", options);
}

std::vector<float> answer(const AotiModule& module) {
  return floats_of(module.forward(std::vector<at::Tensor>{at::ones({1, 2})}).at(0));
}

/// Everything of the model, body.scale all `scale`.
Items weights(float scale) {
  return {{"body.scale", at::full({2, 3}, scale)},
          {"shift", at::full({3}, 0.25)},
          {"norm.running_mean", at::full({3}, 0.0)},
          {"norm.running_var", at::full({3}, 1.0)}};
}

Items with(Items items, const std::string& key, at::Tensor tensor) {
  for (auto& [name, value] : items) {
    if (name == key) {
      value = std::move(tensor);
      return items;
    }
  }
  items.emplace_back(key, std::move(tensor));
  return items;
}

TEST(AotiModuleTest, TellsWhatItIs) {
  const AotiModule module = loaded();
  EXPECT_EQ(module.name(), "model");
  EXPECT_EQ(module.device(), Device::cpu());
  EXPECT_EQ(module.metadata().at("trained"), "today");
  const StateDict own = module.state_dict();
  ASSERT_EQ(own.size(), 4U);
  // A module's own come before its children's.
  const Keys keys{"shift", "body.scale", "norm.running_mean", "norm.running_var"};
  for (std::size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(own.key(i), keys[i]);
  EXPECT_TRUE(own.is_parameter(1));
  EXPECT_FALSE(own.is_parameter(2));
  EXPECT_EQ(answer(module), (std::vector<float>{12.5, 22.5, 32.5}));
}

TEST(AotiModuleTest, ItsStateDictIsACopy) {
  AotiModule module = loaded();
  const StateDict before = module.state_dict();
  tensor_at(before, "body.scale").fill_(100);
  EXPECT_EQ(answer(module), (std::vector<float>{12.5, 22.5, 32.5}));
}

TEST(AotiModuleTest, TakesWeightsInItsOwnDtypesAndStrides) {
  AotiModule module = loaded();
  EXPECT_EQ(answer(module), (std::vector<float>{12.5, 22.5, 32.5}));  // what is computed from constants is computed now
  const at::Tensor scale = at::tensor({1.0, 2.0, 3.0, 4.0, 5.0, 6.0}, at::kDouble).view({2, 3});
  const auto keys = module.load_state_dict(StateDict::of(with(weights(0), "body.scale", scale)));
  EXPECT_TRUE(keys.missing_keys.empty() && keys.unexpected_keys.empty());
  EXPECT_EQ(answer(module), (std::vector<float>{15.25, 27.25, 39.25}));
  const StateDict own = module.state_dict();
  EXPECT_EQ(tensor_at(own, "body.scale").strides(), (at::IntArrayRef{1, 2}));
  EXPECT_EQ(tensor_at(own, "shift").scalar_type(), at::kHalf);
  EXPECT_EQ(floats_of(tensor_at(own, "body.scale")), (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST(AotiModuleTest, SaysWhatDoesNotMatchAndChangesNothing) {
  AotiModule module = loaded();
  Items items = with(weights(7), "extra.weight", at::ones({1}));
  items = with(items, "shift", at::ones({4}));
  items.erase(items.begin());
  const StateDict bad = StateDict::of(items);
  const Error error = error_of([&] { module.load_state_dict(bad); });
  EXPECT_STREQ(name(error.code()), "incompatible_keys");
  EXPECT_EQ(error.message(),
            "Error(s) in loading state_dict for AOTICompiledModel:\n\tMissing key(s) in state_dict: \"body.scale\". "
            "\n\tUnexpected key(s) in state_dict: \"extra.weight\". \n\tsize mismatch for shift: copying a param with "
            "shape torch.Size([4]) from checkpoint, the shape in current model is torch.Size([3]).");
  EXPECT_EQ(module.check_state_dict(bad).message, error.message());
  EXPECT_EQ(module.check_state_dict(bad, false).keys.missing_keys, Keys{"body.scale"});
  EXPECT_EQ(answer(module), (std::vector<float>{12.5, 22.5, 32.5}));
  const StateDict sparse = StateDict::of(with(weights(7), "body.scale", at::ones({2, 3}).to_sparse()));
  expect_error(ErrorCode::incompatible_keys, "copy_() between dense and sparse Tensors is not implemented!",
               [&] { module.load_state_dict(sparse); });
  EXPECT_EQ(answer(module), (std::vector<float>{12.5, 22.5, 32.5}));
}

TEST(AotiModuleTest, OtherKeysThanItsConstants) {
  AotiModule module = loaded();
  EXPECT_TRUE(module.load_state_dict(StateDict::of(with(weights(2), "norm.num_batches_tracked", at::ones({}))))
                  .unexpected_keys.empty());
  EXPECT_EQ(answer(module), (std::vector<float>{14.25, 24.25, 34.25}));
  const StateDict other =
      StateDict::of({{"_tensor_constant0", at::ones({3})}, {"body.num_batches_tracked", at::ones({})}});
  const IncompatibleKeys keys = module.load_state_dict(other, false);
  EXPECT_EQ(keys.unexpected_keys, (Keys{"_tensor_constant0", "body.num_batches_tracked"}));
  EXPECT_EQ(keys.missing_keys.size(), 4U);
  EXPECT_EQ(answer(module), (std::vector<float>{14.25, 24.25, 34.25}));
}

/// As the code wants them: body.scale transposed, shift in float16.
Items assignable(float scale) {
  return with(with(weights(scale), "body.scale", at::full({3, 2}, scale).t()), "shift", at::full({3}, 0.25, at::kHalf));
}

TEST(AotiModuleTest, AssignsMemoryWithoutACopy) {
  AotiModule module = loaded();
  at::Tensor scale;
  {
    const StateDict given = StateDict::of(assignable(3));
    module.load_state_dict(given, true, /*assign=*/true);
    scale = tensor_at(given, "body.scale");
  }
  EXPECT_EQ(answer(module), (std::vector<float>{16.25, 26.25, 36.25}));
  module.load_state_dict(StateDict::of({{"shift", at::full({3}, 0.0, at::kHalf)}}), false, true);
  EXPECT_EQ(answer(module), (std::vector<float>{16, 26, 36}));  // the others stay
  module.load_state_dict(StateDict::of(weights(1)));
  EXPECT_EQ(floats_of(scale), std::vector<float>(6, 1)) << "copying goes to the memory that the model uses";
  EXPECT_EQ(answer(module), (std::vector<float>{12.25, 22.25, 32.25}));
}

TEST(AotiModuleTest, RefusesToAssignWhatTheCodeIsNotCompiledFor) {
  AotiModule module = loaded();
  const auto refused = [&](const std::string& key, const at::Tensor& tensor, const std::string& text) {
    const StateDict bad = StateDict::of(with(assignable(3), key, tensor));
    expect_error(ErrorCode::incompatible_keys, text, [&] { module.load_state_dict(bad, true, true); });
    EXPECT_EQ(answer(module), (std::vector<float>{12.5, 22.5, 32.5}));
  };
  refused("shift", at::ones({3}),
          "compiled for Half on cpu with strides (1), and this is Float on cpu with strides (1)");
  refused("body.scale", at::ones({2, 3}), "and this is Float on cpu with strides (3, 1); load it without assign");
  refused("body.scale", at::ones({2, 3}).to_sparse(), "and this is Float on cpu, not strided");
  refused("shift", at::ones({3}, at::kHalf).to(to_c10(Device{c10::get_privateuse1_backend(), 0})),
          "and this is Half on ");
}

TEST(AotiModuleTest, SaysWhatIsWrongWithInputs) {
  const AotiModule module = loaded();
  const auto run = [&](const std::vector<at::Tensor>& inputs) { return [&module, inputs] { module.forward(inputs); }; };
  expect_error(ErrorCode::invalid_argument, "expected inputs vector size to be 1, but got 0", run({}));
  expect_error(ErrorCode::invalid_argument, "input_handles[0]: unmatched dim value at 1", run({at::ones({1, 5})}));
  const at::Tensor there = at::ones({1, 2}).to(to_c10(Device{c10::get_privateuse1_backend(), 1}));
  expect_error(ErrorCode::invalid_argument, "the model is on cpu, and an input is on ", run({there}));
  const at::Tensor result = module.forward(std::vector<at::Tensor>{at::ones({1, 2}).requires_grad_()}).at(0);
  EXPECT_FALSE(result.requires_grad() || result.is_inference());
}

TEST(AotiModuleTest, CallsAndChangesFromManyThreads) {
  AotiModule module = loaded({.runners = 2});
  const StateDict one = StateDict::of(weights(1));
  const StateDict two = StateDict::of(weights(2));
  module.load_state_dict(one);
  std::atomic<int> odd = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 200; ++n) {
        if (i == 3) {
          EXPECT_THROW(module.forward(std::vector<at::Tensor>{at::ones({1, 5})}), Error);
          continue;
        }
        const auto got = answer(module);
        if (got != std::vector<float>{12.25, 22.25, 32.25} && got != std::vector<float>{14.25, 24.25, 34.25}) ++odd;
      }
    });
  }
  for (int n = 0; n < 50; ++n) module.load_state_dict(n % 2 == 0 ? two : one);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(odd, 0);
}

}  // namespace
}  // namespace torchferry::testing
