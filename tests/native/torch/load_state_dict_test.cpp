// load_state_dict's rules and PyTorch's texts, on modules that are nothing but their slots.

#include <torchferry/load_state_dict.h>

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/quantize_per_tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>
#include <torchferry/error.h>

#include "io/error_of.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

using Items = std::vector<std::pair<std::string, at::Tensor>>;

/// A root with a 0-dimensional "zero", a BatchNorm "bn" and a linear layer "fc".
struct Model {
  at::Tensor zero = at::zeros({});
  at::Tensor weight = at::zeros({2, 2}).requires_grad_();
  at::Tensor bias = at::zeros({2});
  at::Tensor mean = at::zeros({2});
  at::Tensor batches = at::full({}, 5, c10::kLong);

  std::vector<ModuleSlots> modules() const {
    return {{"", {{"zero", zero, false, 0, {}}}, {"bn", "fc"}, {}},
            {"bn.", {{"running_mean", mean}, {"num_batches_tracked", batches, false, 2}}, {}},
            {"fc.", {{"weight", weight, true}, {"bias", bias, true}}, {}}};
  }
  IncompatibleKeys load(const StateDict& state_dict, bool strict = true) const {
    return load_state_dict("Net", modules(), state_dict, strict);
  }
  bool untouched() const {
    for (const at::Tensor& tensor : {zero, weight, bias, mean}) {
      if (!at::equal(tensor, at::zeros_like(tensor))) return false;
    }
    return batches.item<std::int64_t>() == 5;
  }
};

Items full() {
  return {{"zero", at::ones({})},
          {"bn.running_mean", at::ones({2})},
          {"bn.num_batches_tracked", at::ones({}, c10::kLong)},
          {"fc.weight", at::ones({2, 2})},
          {"fc.bias", at::ones({2})}};
}

Items with(const std::string& key, at::Tensor tensor) {
  Items items = full();
  for (auto& [name, value] : items) {
    if (name == key) {
      value = std::move(tensor);
      return items;
    }
  }
  items.emplace_back(key, std::move(tensor));
  return items;
}

Items without(const std::string& key) {
  Items items = full();
  std::erase_if(items, [&](const auto& item) { return item.first == key; });
  return items;
}

void expect_refused(const Items& items, const std::string& text, bool strict = true) {
  const Model model;
  const Error error = error_of([&] { model.load(StateDict::of(items), strict); });
  EXPECT_STREQ(name(error.code()), "incompatible_keys");
  EXPECT_EQ(error.message(), "Error(s) in loading state_dict for Net:" + text);
  EXPECT_TRUE(model.untouched());
}

TEST(LoadStateDict, CopiesIntoTheModulesOwnTensors) {
  const Model model;
  const void* const data = model.weight.const_data_ptr();
  const IncompatibleKeys keys = model.load(StateDict::of(full()));
  EXPECT_TRUE(keys.missing_keys.empty());
  EXPECT_TRUE(keys.unexpected_keys.empty());
  EXPECT_TRUE(at::equal(model.weight, at::ones({2, 2})));
  EXPECT_EQ(model.weight.const_data_ptr(), data);
  EXPECT_TRUE(model.weight.requires_grad());
  EXPECT_TRUE(model.weight.is_leaf());
  EXPECT_EQ(model.batches.item<std::int64_t>(), 1);
}

TEST(LoadStateDict, ConvertsTypesAsCopyDoes) {
  const Model model;
  Items items = full();
  items[2].second = at::full({}, 2.75);  // float to long
  items[3].second = at::full({2, 2}, 0.5, c10::kDouble);
  items[4].second = at::full({2}, 3, c10::kFloat8_e5m2);
  model.load(StateDict::of(items));
  EXPECT_EQ(model.batches.item<std::int64_t>(), 2);
  EXPECT_EQ(floats_of(model.weight), (std::vector<float>(4, 0.5)));
  EXPECT_EQ(floats_of(model.bias), (std::vector<float>(2, 3)));
}

TEST(LoadStateDict, ReportsMissingAndUnexpectedInPyTorchsOrder) {
  Items items = without("fc.bias");
  for (const char* key : {"fc.foo.bar", "zz", "fc", "bn.x", "bn._extra_state", "a.b", "zero.c"}) {
    items.emplace_back(key, at::ones({1}));
  }
  items[3].second = at::ones({3, 2});
  expect_refused(
      items,
      "\n\tMissing key(s) in state_dict: \"fc.bias\". "
      "\n\tUnexpected key(s) in state_dict: \"zz\", \"fc\", \"a.b\", \"zero.c\", \"bn._extra_state\", "
      "\"bn.x\", \"fc.foo.bar\". "
      "\n\tsize mismatch for fc.weight: copying a param with shape torch.Size([3, 2]) from checkpoint, the "
      "shape in current model is torch.Size([2, 2]).");
  expect_refused(
      items,
      "\n\tsize mismatch for fc.weight: copying a param with shape torch.Size([3, 2]) from checkpoint, the "
      "shape in current model is torch.Size([2, 2]).",
      /*strict=*/false);
}

TEST(LoadStateDict, NotStrictTellsAndGoesOn) {
  const Model model;
  Items items = without("zero");
  items.emplace_back("more", at::ones({1}));
  const IncompatibleKeys keys = model.load(StateDict::of(items), false);
  EXPECT_EQ(keys.missing_keys, std::vector<std::string>{"zero"});
  EXPECT_EQ(keys.unexpected_keys, std::vector<std::string>{"more"});
  EXPECT_TRUE(at::equal(model.bias, at::ones({2})));
}

TEST(LoadStateDict, ChildrenRegisteredAsNoneAcceptAnything) {
  std::vector<ModuleSlots> modules = Model().modules();
  modules[0].children.push_back("head");
  const IncompatibleKeys keys =
      load_state_dict("Net", modules, StateDict::of(with("head.weight", at::ones({1}))), true);
  EXPECT_TRUE(keys.unexpected_keys.empty());
}

TEST(LoadStateDict, OneElementFillsATensorWithoutDimensions) {
  const Model model;
  model.load(StateDict::of(with("zero", at::full({1}, 4.0))));
  EXPECT_EQ(model.zero.item<float>(), 4.0F);
  expect_refused(
      with("zero", at::ones({1, 1})),
      "\n\tsize mismatch for zero: copying a param with shape torch.Size([1, 1]) from checkpoint, the shape "
      "in current model is torch.Size([]).");
  expect_refused(
      with("fc.bias", at::ones({})),
      "\n\tsize mismatch for fc.bias: copying a param with shape torch.Size([]) from checkpoint, the shape "
      "in current model is torch.Size([2]).");
}

TEST(LoadStateDict, OldBatchNormsMayLackTheirCounter) {
  const StateDict plain = StateDict::of(without("bn.num_batches_tracked"));
  const Model model;
  EXPECT_TRUE(model.load(plain).missing_keys.empty());
  EXPECT_EQ(model.batches.item<std::int64_t>(), 5);
  const std::vector<std::size_t> all{0, 1, 2, 3};
  EXPECT_NO_THROW(model.load(plain.select(all, {}, ModuleVersions{{"", 1}, {"bn", 1}})));
  const StateDict modern = plain.select(all, {}, ModuleVersions{{"", 1}, {"bn", 2}});
  const Error error = error_of([&] { model.load(modern); });
  EXPECT_EQ(error.message(),
            "Error(s) in loading state_dict for Net:\n\tMissing key(s) in state_dict: "
            "\"bn.num_batches_tracked\". ");
}

std::string cannot_copy(const std::string& reason) {
  return "\n\tWhile copying the parameter named \"fc.weight\", whose dimensions in the model are "
         "torch.Size([2, 2]) and "
         "whose dimensions in the checkpoint are torch.Size([2, 2]), an exception occurred : (" +
         reason + ",).";
}

TEST(LoadStateDict, FindsOutWhatCannotBeCopiedBeforeItCopies) {
  expect_refused(
      with("fc.weight", at::ones({2, 2}).to_sparse()),
      cannot_copy("'copy_() between dense and sparse Tensors is not implemented! Found self type = "
                  "torch.FloatTensor and src type = torch.sparse.FloatTensor'"));
  expect_refused(with("fc.weight", at::ones({2, 2}, c10::TensorOptions().device(c10::kMeta))),
                 cannot_copy("'Cannot copy out of meta tensor; no data!'"));
  expect_refused(
      with("fc.weight", at::quantize_per_tensor(at::ones({2, 2}), 0.1, 1, c10::kQInt8)),
      cannot_copy("'Copying from quantized Tensor to non-quantized Tensor is not allowed, please use "
                  "dequantize to get a float Tensor from a quantized Tensor'"));
  expect_refused(with("fc.weight", at::zeros({2, 2}, c10::kByte).view(c10::kBits8)),
                 cannot_copy("'\"copy_\" not implemented for \\'Bits8\\''"));
  Model model;
  model.weight = at::zeros({1, 2}).expand({2, 2});
  const Error error = error_of([&] { model.load(StateDict::of(full())); });
  EXPECT_NE(error.message().find(
                "('unsupported operation: more than one element of the written-to tensor refers to a "
                "single memory location."),
            std::string::npos);
}

TEST(LoadStateDict, LastWriteWinsInTheModulesOrder) {
  const at::Tensor tied = at::zeros({1});
  const std::vector<ModuleSlots> modules{{"", {{"first", tied}, {"second", tied}}, {}}};
  load_state_dict("Net", modules,
                  StateDict::of({{"second", at::full({1}, 2.0)}, {"first", at::full({1}, 1.0)}}), true);
  EXPECT_EQ(tied.item<float>(), 2.0F);
}

TEST(LoadStateDict, MetaModulesTakeNothing) {
  const at::Tensor meta = at::zeros({2}, c10::TensorOptions().device(c10::kMeta));
  const std::vector<ModuleSlots> modules{{"", {{"w", meta}}, {}}};
  EXPECT_NO_THROW(load_state_dict("Net", modules, StateDict::of({{"w", at::ones({2})}}), true));
  EXPECT_THROW(load_state_dict("Net", modules, StateDict::of({{"w", at::ones({3})}}), true), Error);
}

}  // namespace
}  // namespace torchferry::testing
