// Content of all kinds is written as torch.save writes it; tests/interop/check_saved.py asks PyTorch.

#include <torchferry/content.h>

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>
#include <torchferry/checkpoint.h>
#include <torchferry/error.h>
#include <torchferry/save.h>

#include <string>
#include <vector>

#include "io/error_of.h"
#include "io/temp_file.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

using Kind = Value::Kind;

class SaveContent : public ::testing::Test {
 protected:
  std::filesystem::path path() const { return folder_ / "training.pt"; }

  Checkpoint saved(const Content& content, const SaveOptions& options = {}) const {
    save(content, path(), options);
    return Checkpoint::open(path());
  }
  ValuePtr value(const Checkpoint& checkpoint, std::vector<std::string> steps) const {
    return checkpoint.value(steps);
  }
  void expect_refused(ErrorCode code, std::string_view words, const Content& content) const {
    expect_error(code, words, [&] { save(content, path()); });
    EXPECT_FALSE(std::filesystem::exists(path()));
  }

  TempDirectory folder_;
};

TEST_F(SaveContent, ValuesOfEveryKind) {
  const Checkpoint file = saved(Content::dict(
      {{"none", Content()},
       {"true", true},
       {"int", -5},
       {"big", Content::big_integer("-123456789012345678901234567890")},
       {"real", 0.1},
       {"text", "\xE6\xA8\xA1\xED\xA0\x80"},
       {"bytes", Content::bytes(std::string("\x00\x7F\x80\xFF", 4))},
       {"list", Content::list({1, "a", Content::list({})})},
       {"tuple", Content::tuple({0.9, 0.999})},
       {7, "seven"},
       {Content::tuple({1, "b"}), "pair"},
       {"ordered", Content::ordered_dict({{"x", 1}})},
       {"size", Content::size(std::vector<std::int64_t>{3, 4})},
       {"dtype", Content::dtype(DType::bfloat16)},
       {"device", Content::device(Device::parse("cuda:1"))}}));
  const ValuePtr root = file.root();
  ASSERT_EQ(root->entries.size(), 15U);
  EXPECT_EQ(value(file, {"none"})->kind, Kind::none);
  EXPECT_EQ(value(file, {"true"})->kind, Kind::boolean);
  EXPECT_EQ(value(file, {"int"})->integer, -5);
  EXPECT_EQ(value(file, {"big"})->text, "-123456789012345678901234567890");
  EXPECT_EQ(value(file, {"real"})->real, 0.1);
  EXPECT_EQ(value(file, {"text"})->text, "\xE6\xA8\xA1\xED\xA0\x80");
  EXPECT_EQ(value(file, {"bytes"})->text, std::string("\x00\x7F\x80\xFF", 4));
  EXPECT_EQ(value(file, {"list"})->items.size(), 3U);
  EXPECT_EQ(value(file, {"tuple"})->kind, Kind::tuple);
  EXPECT_EQ(value(file, {"7"})->text, "seven");
  EXPECT_EQ(root->entries[10].first->kind, Kind::tuple);
  EXPECT_EQ(value(file, {"ordered"})->class_name, "collections.OrderedDict");
  EXPECT_EQ(value(file, {"size"})->class_name, "torch.Size");
  EXPECT_EQ(value(file, {"dtype"})->text, "bfloat16");
  EXPECT_EQ(value(file, {"device"})->text, "cuda:1");
  OpenOptions strict;
  strict.weights_only = true;
  EXPECT_NO_THROW(Checkpoint::open(path(), strict));
}

TEST_F(SaveContent, StateDictsAndTensorsShareStorages) {
  const at::Tensor base = at::arange(100'000, c10::kFloat);
  at::Tensor scale = at::arange(2, c10::kFloat);
  scale.set_requires_grad(true);
  const std::vector<std::size_t> both{0, 1};
  const StateDict model =
      StateDict::of({{"w", base}, {"tied", base}}).select(both, {}, ModuleVersions{{"", 2}});
  const Checkpoint file = saved(Content::dict({{"model", model},
                                               {"ema", StateDict::of({{"w", base.view({100, 1000})[3]}})},
                                               {"state", Content::dict({{0, Content::list({base, scale})}})},
                                               {"parameter", Content::parameter(scale)},
                                               {"epoch", 3}}));
  EXPECT_LT(file.size(), 410'000U);
  EXPECT_EQ(file.table().storages().size(), 2U);
  EXPECT_EQ(file.metadata(std::vector<std::string>{"model"})->entries.size(), 1U);
  const StateDict all = StateDict::load(file);
  EXPECT_TRUE(share_storage(tensor_at(all, "model.w"), tensor_at(all, "ema.w")));
  EXPECT_TRUE(tensor_at(all, "model.tied").is_same(tensor_at(all, "state.0.0")));
  EXPECT_TRUE(tensor_at(all, "state.0.1").requires_grad());
  EXPECT_TRUE(all.is_parameter(*all.find("parameter")));
}

TEST_F(SaveContent, WhatWasOpenedIsSavedAgain) {
  const at::Tensor transposed = at::arange(6, c10::kFloat).view({2, 3}).t();
  const Content first = Content::dict({{"model", StateDict::of({{"w", transposed}})},
                                       {"epoch", 3},
                                       {"tail", Content::list({at::arange(4)})}});
  SaveOptions options;
  const Checkpoint file = saved(first, options);
  save(Content::of(file).with("epoch", 4).with("more", "new"), path());
  const Checkpoint again = Checkpoint::open(path());
  EXPECT_EQ(value(again, {"epoch"})->integer, 4);
  EXPECT_EQ(value(again, {"more"})->text, "new");
  EXPECT_EQ(value(again, {"model"})->class_name, "collections.OrderedDict");
  const StateDict before = StateDict::load(file);
  const StateDict after = StateDict::load(again);
  ASSERT_EQ(after.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(before.key(i), after.key(i));
    EXPECT_EQ(before.tensor(i).strides(), after.tensor(i).strides());
    EXPECT_TRUE(at::equal(before.tensor(i), after.tensor(i)));
  }
}

TEST_F(SaveContent, LocationsOfTensorsThatWereNotLoadedStay) {
  Content::Node node = Content(at::arange(3)).node();
  node.location = "cuda:3";
  const Content content = Content::dict({{"a", Content(node)}, {"b", at::arange(2)}});
  const Checkpoint file = saved(content);
  EXPECT_EQ(file.table().locations(), (std::vector<std::string>{"cuda:3", "cpu"}));
  save(Content::of(file), path());
  EXPECT_EQ(Checkpoint::open(path()).table().locations(), (std::vector<std::string>{"cuda:3", "cpu"}));
  SaveOptions cpu;
  cpu.tags = LocationTags::cpu;
  save(Content::of(file), path(), cpu);
  EXPECT_EQ(Checkpoint::open(path()).table().locations(), std::vector<std::string>{"cpu"});
}

TEST_F(SaveContent, TwoStoragesOnOneMemoryAreOne) {
  at::Tensor owner = at::arange(100, c10::kFloat);
  const at::Tensor once = at::from_blob(owner.data_ptr(), {100}, c10::kFloat);
  const at::Tensor twice = at::from_blob(owner.data_ptr(), {10, 10}, c10::kFloat);
  const Checkpoint file = saved(Content::dict({{"once", once}, {"twice", twice}}));
  EXPECT_EQ(file.table().storages().size(), 1U);
}

TEST_F(SaveContent, OneObjectInTwoPlacesStaysOne) {
  Content shared = Content::list({"x", Content::tuple({1, 2})});
  Content deep = Content::tuple({shared, shared});
  for (int i = 0; i < 60; ++i) deep = Content::tuple({deep, deep});
  const Checkpoint file = saved(Content::dict({{"a", shared}, {"b", shared}, {"deep", deep}}));
  EXPECT_LT(file.size(), 4'000U) << "2^60 paths, 63 objects";
  const ValuePtr root = file.root();
  EXPECT_EQ(root->entries[0].second.get(), root->entries[1].second.get());
}

TEST_F(SaveContent, RefusesWhatIsNotPlainAndSaysWhere) {
  Content::Node object;
  object.kind = Kind::object;
  object.class_name = "argparse.Namespace";
  expect_refused(ErrorCode::unsupported, "'args.0': an object of the class argparse.Namespace",
                 Content::dict({{"args", Content::list({Content(object)})}}));
  Content::Node global;
  global.kind = Kind::global;
  global.text = "os.system";
  expect_refused(ErrorCode::unsupported, "'f': the name os.system", Content::dict({{"f", Content(global)}}));
  expect_refused(ErrorCode::invalid_argument, "cannot be a dict's key",
                 Content::dict({{Content::list({}), 1}}));
  expect_refused(ErrorCode::invalid_argument, "'n': 'x1' is not an integer",
                 Content::dict({{"n", Content::big_integer("x1")}}));
  Content deep = 0;
  for (int i = 0; i < 1'100; ++i) deep = Content::list({deep});
  expect_refused(ErrorCode::unsupported, "nested deeper", deep);
  expect_error(ErrorCode::invalid_argument, "only a dict", [] { Content(1).with("a", 2); });
  expect_error(ErrorCode::invalid_argument, "undefined tensor", [] { Content undefined{at::Tensor()}; });
}

TEST_F(SaveContent, AnUnsupportedTensorOfAFileIsNamed) {
  save(Content::dict({{"w", at::arange(3)}}), path());
  const Checkpoint file = Checkpoint::open(path());
  expect_error(ErrorCode::unsupported, "'w' is not a tensor under a name", [&] {
    SaveOptions options;
    options.format = Format::safetensors;
    save(Content::dict({{"w", Content::list({at::arange(3)})}}), path(), options);
  });
  EXPECT_EQ(StateDict::load(file).size(), 1U) << "the file is as it was";
}

}  // namespace
}  // namespace torchferry::testing
