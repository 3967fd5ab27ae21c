#include <gtest/gtest.h>

#include "io/error_of.h"
#include "table/content.h"
#include "table/pickle_text.h"

// Names: how nested content becomes a list of keys, and how a path finds its way into it.

namespace torchferry::testing {
namespace {

using Strings = std::vector<std::string>;

Pickle module(const std::vector<std::pair<Pickle, Pickle>>& parameters,
              const std::vector<std::pair<Pickle, Pickle>>& buffers,
              const std::vector<std::pair<Pickle, Pickle>>& modules, const Pickle& non_persistent = {}) {
  std::vector<std::pair<Pickle, Pickle>> state = {{str("training"), boolean(false)},
                                                  {str("_parameters"), dict(parameters)},
                                                  {str("_buffers"), dict(buffers)},
                                                  {str("_modules"), ordered_dict(modules)},
                                                  {str("attribute"), tensor({})}};
  if (!non_persistent.empty()) {
    state.emplace_back(str("_non_persistent_buffers_set"), call(global("__builtin__", "set"), {list({non_persistent})}));
  }
  return with_state(make(global("__main__", "Net"), {}), dict(state));
}

TEST(ContentTest, JoinsKeysAndIndicesWithDots) {
  const Checkpoint checkpoint = open_content(dict({
      {str("model"), ordered_dict({{str("fc.weight"), tensor({})}, {str("fc.bias"), tensor({})}})},
      {str("optimizer"), dict({{str("state"), dict({{num(0), dict({{str("exp_avg"), tensor({})}})}})}})},
      {str("epoch"), num(3)},
      {str("list"), list({num(1), tensor({}), tuple({tensor({})})})},
      {num(7), tensor({})},
      {boolean(true), tensor({})},
      {none(), tensor({})},
      {real(0.5), tensor({})},
      {tuple({num(1), str("x")}), tensor({})},
      {str(""), tensor({})},
  }));
  EXPECT_EQ(keys_of(checkpoint.entries()),
            (Strings{"model.fc.weight", "model.fc.bias", "optimizer.state.0.exp_avg", "list.1", "list.2.0", "7", "True",
                     "None", "0.5", "(1, 'x')", ""}));
}

TEST(ContentTest, AKeySetTwiceKeepsItsFirstPlaceAndLastValue) {
  const Checkpoint checkpoint = open_content(
      dict({{str("a"), tensor({.size = {1}})}, {str("b"), tensor({.size = {2}})}, {str("a"), tensor({.size = {3}})}}));
  ASSERT_EQ(keys_of(checkpoint.entries()), (Strings{"a", "b"}));
  EXPECT_EQ(checkpoint.table().tensors()[checkpoint.entries()[0].tensor].numel, 3u);
}

TEST(ContentTest, AModuleGivesItsStateDictInOrder) {
  const Pickle child = module({{str("weight"), put(parameter(tensor({})), 50)}, {str("bias"), none()}},
                              {{str("running"), tensor({})}, {str("scratch"), tensor({})}, {str("absent"), none()}}, {},
                              str("scratch"));
  const Checkpoint checkpoint = open_content(
      module({{str("tied"), parameter(tensor({}))}}, {{str("steps"), tensor({})}},
             {{str("child"), child}, {str("none"), none()}, {str("twin"), module({{str("w"), get(50)}}, {}, {})}}));
  EXPECT_EQ(keys_of(checkpoint.entries()),
            (Strings{"tied", "steps", "child.weight", "child.running", "twin.w"}));
  EXPECT_EQ(checkpoint.entries()[2].tensor, checkpoint.entries()[4].tensor);
  EXPECT_EQ(checkpoint.opaque_globals(), Strings{"__main__.Net"});
}

TEST(ContentTest, UnknownObjectsAreWalkedNotRun) {
  const Pickle object = with_state(call(global("os", "system"), {str("rm -rf /"), tensor({})}),
                                   dict({{str("inner"), tensor({})}}));
  const Checkpoint checkpoint = open_content(dict({{str("evil"), object}, {str("w"), tensor({})}}));
  EXPECT_EQ(keys_of(checkpoint.entries()), (Strings{"evil.1", "evil.inner", "w"}));
  EXPECT_EQ(checkpoint.opaque_globals(), Strings{"os.system"});
}

TEST(ContentTest, WeightsOnlyNamesTheGlobalThatItRefuses) {
  OpenOptions options;
  options.weights_only = true;
  open_content(dict({{str("w"), parameter(tensor({}))}}), 6, options);
  const Error error = error_of([&] {
    open_content(dict({{str("evil"), call(global("os", "system"), {str("ls")})}}), 6, options);
  });
  EXPECT_EQ(error.code(), ErrorCode::unsafe);
  EXPECT_NE(error.message().find("Unsupported global: GLOBAL os.system was not an allowed global by default"),
            std::string::npos);
  EXPECT_EQ(error.record(), "archive/data.pkl");
}

TEST(ContentTest, AContainerThatContainsItselfIsRefused) {
  const Pickle recursive = put(Pickle("]"), 1) + "(" + get(1) + tensor({}) + "e";
  expect_error(ErrorCode::unsupported, "contains itself", [&] { open_content(recursive); });
}

TEST(ContentTest, AnObjectThatRefersBackIsEnteredOnce) {
  const Pickle object = put(make(global("my", "Trainer"), {}), 1) +
                        dict({{str("self"), get(1)}, {str("w"), tensor({})}}) + "b";
  const Checkpoint checkpoint = open_content(dict({{str("trainer"), object}}));
  EXPECT_EQ(keys_of(checkpoint.entries()), Strings{"trainer.w"});
  const ValuePtr root = checkpoint.root();
  const Value& trainer = *root->entries.at(0).second;
  EXPECT_EQ(trainer.kind, Value::Kind::object);
  EXPECT_EQ(trainer.class_name, "my.Trainer");
  EXPECT_EQ(trainer.entries.at(0).second->text, "(back reference)");
}

/// A list that holds the last one twice, 40 times over: 2^40 paths to `innermost`.
Pickle laughs(const Pickle& innermost) {
  Pickle content = put(list({innermost}), 100);
  for (unsigned i = 101; i < 140; ++i) content += put("](" + get(i - 1) + get(i - 1) + "e", i);
  return content;
}

TEST(ContentTest, ContainersListedManyTimesOverCostNothingWithoutTensors) {
  EXPECT_TRUE(open_content(laughs(num(1))).entries().empty());
}

TEST(ContentTest, ATensorListedManyTimesOverHitsALimit) {
  OpenOptions options;
  options.limits.tensors = 1000;
  expect_error(ErrorCode::limit_exceeded, "tensors", [&] { open_content(laughs(tensor({})), 6, options); });
}

TEST(ContentTest, WhatASmallPickleListsIsBoundedByItsSize) {
  expect_error(ErrorCode::limit_exceeded, "whatever the limit", [] { open_content(laughs(tensor({}))); });
  Pickle many = put(tensor({}), 100) + "0](";
  for (int i = 0; i < 30'000; ++i) many += get(100);
  EXPECT_EQ(open_content(many + "e").entries().size(), 30'000u);
}

/// 900 dicts in each other, each under the same name of 64 KiB: joined names of 26 GB.
TEST(ContentTest, TheNamesOfASmallPickleAreBoundedByItsSize) {
  Pickle deep = put(str(std::string(1 << 16, 'n')), 100) + "0";
  for (int i = 0; i < 900; ++i) deep += "}" + get(100);
  deep += tensor({});
  for (int i = 0; i < 900; ++i) deep += "s";
  expect_error(ErrorCode::limit_exceeded, "name_bytes", [&] { open_content(deep); });
}

TEST(ContentTest, AKeyThatHoldsItsPartsManyTimesOverIsCutShort) {
  Pickle key = put(tuple({num(1)}), 100) + "0";
  for (unsigned level = 101; level < 108; ++level) {
    key += "(";
    for (int i = 0; i < 100; ++i) key += get(level - 1);
    key += "t" + put({}, level) + "0";
  }
  const std::vector<std::string> keys = keys_of(open_content(key + dict({{get(107), tensor({})}})).entries());
  EXPECT_LT(keys.at(0).size(), 70'000u);
  EXPECT_TRUE(keys.at(0).starts_with("((((((((1,), (1,), ")) << keys.at(0).substr(0, 40);
}

TEST(ContentTest, DeepNestingHitsALimit) {
  Pickle deep;
  for (int i = 0; i < 5000; ++i) deep += "]";
  for (int i = 0; i < 4999; ++i) deep += "a";
  expect_error(ErrorCode::limit_exceeded, "depth", [&] { open_content(deep); });
}

TEST(ContentTest, APathLeadsToAPart) {
  const Checkpoint checkpoint = open_content(dict({
      {str("model"), ordered_dict({{str("a.b"), tensor({})}})},
      {str("optimizer"), dict({{num(0), list({tensor({}), dict({{str("x"), tensor({})}})})}})},
  }));
  EXPECT_EQ(keys_of(checkpoint.entries(Strings{"model"})), Strings{"a.b"});
  EXPECT_EQ(keys_of(checkpoint.entries(Strings{"model", "a.b"})), Strings{""});
  EXPECT_EQ(keys_of(checkpoint.entries(Strings{"optimizer", "0"})), (Strings{"0", "1.x"}));
  EXPECT_EQ(keys_of(checkpoint.entries(Strings{"optimizer", "0", "1"})), Strings{"x"});
  EXPECT_EQ(&checkpoint.entries(Strings{"model"}), &checkpoint.entries(Strings{"model"}));
  expect_error(ErrorCode::invalid_argument, "no 'net' at the top of the content; there is: 'model', 'optimizer'",
               [&] { checkpoint.entries(Strings{"net"}); });
  expect_error(ErrorCode::invalid_argument, "in 'optimizer.0'; there is: indices 0 to 2",
               [&] { checkpoint.entries(Strings{"optimizer", "0", "2"}); });
}

TEST(ContentTest, AnOrderedDictKeepsItsMetadata) {
  const Pickle versions = ordered_dict({{str(""), dict({{str("version"), num(1)}})}, {str("bn"), dict({{str("version"), num(2)}})}});
  const Checkpoint checkpoint = open_content(dict(
      {{str("model"), with_state(ordered_dict({{str("w"), tensor({})}}), dict({{str("_metadata"), versions}}))}, {str("x"), dict({})}}));
  EXPECT_EQ(keys_of(checkpoint.entries()), Strings{"model.w"});
  const ValuePtr metadata = checkpoint.metadata(Strings{"model"});
  ASSERT_NE(metadata, nullptr);
  ASSERT_EQ(metadata->entries.size(), 2u);
  EXPECT_EQ(metadata->entries[1].first->text, "bn");
  EXPECT_EQ(metadata->entries[1].second->entries[0].second->integer, 2);
  EXPECT_EQ(checkpoint.metadata({}), nullptr);
  EXPECT_EQ(checkpoint.metadata(Strings{"x"}), nullptr);
}

TEST(ContentTest, WritesFloatsAsPythonDoes) {
  EXPECT_EQ(float_text(1.0), "1.0");
  EXPECT_EQ(float_text(-0.0), "-0.0");
  EXPECT_EQ(float_text(1e16), "1e+16");
  EXPECT_EQ(float_text(0.0001), "0.0001");
  EXPECT_EQ(float_text(0.00001), "1e-05");
  EXPECT_EQ(float_text(123456789012345680.0), "1.2345678901234568e+17");
  EXPECT_EQ(float_text(0.1), "0.1");
}

TEST(ContentTest, WritesIntegersOfAnySize) {
  using namespace std::string_view_literals;
  EXPECT_EQ(decimal_text(""sv), "0");
  EXPECT_EQ(decimal_text("\xff"sv), "-1");
  EXPECT_EQ(decimal_text("\xff\x00"sv), "255");
  EXPECT_EQ(decimal_text("\xff\xff\xff\xff\xff\xff\xff\xff\x00"sv), "18446744073709551615");
  EXPECT_EQ(decimal_text("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"sv),
            "1606938044258990275541962092341162602522202993782792835301376");
  EXPECT_EQ(decimal_text("\x00\x00\x00\x00\x00\x00\x00\x00\xff"sv), "-18446744073709551616");
}

}  // namespace
}  // namespace torchferry::testing
