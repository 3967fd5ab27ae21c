// load_state_dict with assign, the dry run, and C++ modules.

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <torchferry/devices.h>
#include <torchferry/load_state_dict.h>

#include "fake_device/fake_device.h"
#include "io/error_of.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

using Strings = std::vector<std::string>;

struct Inner : torch::nn::Module {
  at::Tensor weight = register_parameter("weight", at::zeros({2, 2}));
  at::Tensor mean = register_buffer("running_mean", at::zeros({2}));
  at::Tensor variance = register_buffer("running_var", at::ones({2}));
  at::Tensor batches = register_buffer("num_batches_tracked", at::full({}, 5, c10::kLong));
};

struct NetImpl : torch::nn::Module {
  at::Tensor scale = register_parameter("scale", at::zeros({3}));
  at::Tensor frozen = register_parameter("frozen", at::zeros({2}), /*requires_grad=*/false);
  std::shared_ptr<Inner> inner = register_module("inner", std::make_shared<Inner>());
};

std::vector<std::pair<std::string, at::Tensor>> full() {
  return {{"scale", at::ones({3})},
          {"frozen", at::ones({2})},
          {"inner.weight", at::ones({2, 2})},
          {"inner.running_mean", at::ones({2})},
          {"inner.running_var", at::ones({2})},
          {"inner.num_batches_tracked", at::ones({}, c10::kLong)}};
}

TEST(NnModule, ListsWhatItRegistersInOrder) {
  const NetImpl net;
  const StateDict own = state_dict(net);
  Strings keys;
  for (std::size_t i = 0; i < own.size(); ++i) keys.emplace_back(own.key(i));
  EXPECT_EQ(keys, (Strings{"scale", "frozen", "inner.weight", "inner.running_mean", "inner.running_var",
                           "inner.num_batches_tracked"}));
  EXPECT_TRUE(own.is_parameter(1));
  EXPECT_FALSE(own.is_parameter(3));
  EXPECT_TRUE(own.tensor(0).is_same(net.scale));
}

TEST(NnModule, TakesValuesByPythonsRules) {
  NetImpl net;
  load_state_dict(net, StateDict::of(full()));
  EXPECT_TRUE(at::equal(net.inner->weight, at::ones({2, 2})));
  EXPECT_TRUE(net.inner->weight.requires_grad());
  auto items = full();
  items.pop_back();  // as a file from before the counter was introduced
  EXPECT_TRUE(load_state_dict(net, StateDict::of(items)).missing_keys.empty());
  items[0].second = at::ones({4});
  items.emplace_back("zz", at::ones({}));
  const Error error = error_of([&] { load_state_dict(net, StateDict::of(items)); });
  EXPECT_EQ(error.message(),
            "Error(s) in loading state_dict for Net:"
            "\n\tUnexpected key(s) in state_dict: \"zz\". "
            "\n\tsize mismatch for scale: copying a param with shape torch.Size([4]) from checkpoint, the shape in "
            "current model is torch.Size([3]).");
}

TEST(NnModule, AssignGivesItsTensorsTheOthersMemory) {
  NetImpl net;
  auto items = full();
  items[0].second = at::full({3}, 2.0, c10::kDouble);
  const at::Tensor handle = net.scale;
  const StateDict values = StateDict::of(items);
  load_state_dict(net, values, true, true);
  for (const at::Tensor& tensor : {net.scale, handle, *net.named_parameters().find("scale")}) {
    EXPECT_EQ(tensor.const_data_ptr(), values.tensor(0).const_data_ptr());
    EXPECT_EQ(tensor.scalar_type(), c10::kDouble);
    EXPECT_TRUE(tensor.requires_grad());
  }
  EXPECT_FALSE(net.frozen.requires_grad());
  EXPECT_FALSE(values.tensor(0).requires_grad());
}

TEST(NnModule, AssignFillsAModuleOnTheMetaDevice) {
  NetImpl net;
  const auto meta = c10::TensorOptions().device(c10::kMeta);
  net.scale = net.register_parameter("extra", at::empty({3}, meta));
  auto items = full();
  items.insert(items.begin() + 1, {"extra", at::full({3}, 4.0)});
  load_state_dict(net, StateDict::of(items), true, true);
  EXPECT_TRUE(net.scale.is_cpu());
  EXPECT_TRUE(net.scale.requires_grad());
  EXPECT_EQ(floats_of(net.scale), (std::vector<float>(3, 4)));
}

TEST(NnModule, AssignTakesATensorOnAnotherDevice) {
  NetImpl net;
  const StateDict values = StateDict::of(full()).to({"privateuseone", 1});
  load_state_dict(net, values, true, true);
  EXPECT_EQ(net.inner->weight.device(), to_c10({"privateuseone", 1}));
  EXPECT_TRUE(at::equal(net.inner->weight.cpu(), at::ones({2, 2})));
}

TEST(NnModule, AssignedTensorsTakePartInTraining) {
  NetImpl net;
  load_state_dict(net, StateDict::of(full()), true, true);
  (net.scale * 3).sum().backward();
  EXPECT_EQ(floats_of(net.scale.grad()), (std::vector<float>(3, 3)));
}

TEST(NnModule, AssignRefusesWhatCannotTakeTheirPlace) {
  NetImpl net;
  auto items = full();
  items[0].second = at::ones({3}, c10::kInt);
  items[2].second = at::ones({2, 2}).to_sparse();
  const Error error = error_of([&] { load_state_dict(net, StateDict::of(items), true, true); });
  EXPECT_NE(error.message().find("While copying the parameter named \"scale\", whose dimensions in the model are "
                                 "torch.Size([3]) and whose dimensions in the checkpoint are torch.Size([3]), an "
                                 "exception occurred : ('Only Tensors of floating point and complex dtype can "
                                 "require gradients',)."),
            std::string::npos)
      << error.message();
  EXPECT_NE(error.message().find("\"inner.weight\""), std::string::npos);
  EXPECT_TRUE(at::equal(net.inner->mean, at::zeros({2})));
}

TEST(CheckStateDict, TellsAndChangesNothing) {
  NetImpl net;
  auto items = full();
  EXPECT_EQ(check_state_dict(net, StateDict::of(items)).message, "");
  items.erase(items.begin());
  items.emplace_back("inner.more", at::ones({1}));
  items[0].second = at::ones({5});
  const LoadStateReport report = check_state_dict(net, StateDict::of(items), false);
  EXPECT_EQ(report.keys.missing_keys, Strings{"scale"});
  EXPECT_EQ(report.keys.unexpected_keys, Strings{"inner.more"});
  EXPECT_EQ(report.errors.size(), 1U);
  EXPECT_EQ(report.message, "Error(s) in loading state_dict for Net:\n\t" + report.errors[0]);
  EXPECT_TRUE(at::equal(net.inner->weight, at::zeros({2, 2})));
}

TEST(CheckStateDict, WarnsThatMetaModulesTakeNothing) {
  const std::vector<ModuleSlots> modules{
      {"", {{"w", at::empty({2}, c10::TensorOptions().device(c10::kMeta)), true, 0, {}}}, {}, {}}};
  const LoadStateReport report = check_state_dict("Net", modules, StateDict::of({{"w", at::ones({2})}}));
  EXPECT_EQ(report.warnings,
            Strings{"for w: copying from a non-meta parameter in the checkpoint to a meta parameter in the current "
                    "model, which is a no-op. (Did you mean to pass `assign=True` to assign items in the state "
                    "dictionary to their corresponding key in the module instead of copying them in place?)"});
  EXPECT_EQ(report.message, "");
}

TEST(Assign, PutsATensorObjectOfItsOwnInEachSlot) {
  const at::Tensor tied = at::zeros({1});
  std::vector<at::Tensor> put(2);
  std::vector<ModuleSlots> modules{{"", {}, {}, {}}};
  for (int i = 0; i < 2; ++i) {
    modules[0].slots.push_back(
        {i == 0 ? "first" : "second", tied, true, 0, [&put, i](at::Tensor tensor) { put[i] = tensor; }});
  }
  load_state_dict("Net", modules, StateDict::of({{"second", at::full({1}, 2.0)}, {"first", at::full({1}, 1.0)}}),
                  true, true);
  EXPECT_EQ(put[0].item<float>(), 1.0F);
  EXPECT_EQ(put[1].item<float>(), 2.0F);
  EXPECT_EQ(tied.item<float>(), 0.0F);
}

}  // namespace
}  // namespace torchferry::testing
