// State dicts under other names, with the versions of their modules.

#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>
#include <torchferry/error.h>

#include "io/error_of.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

using Versions = std::map<std::string, std::int64_t>;

/// A dict of one-element tensors under these names.
StateDict named(const std::vector<std::string>& names, std::optional<Versions> versions = std::nullopt) {
  std::vector<std::pair<std::string, at::Tensor>> items;
  std::vector<std::size_t> indices;
  for (const std::string& name : names) {
    indices.push_back(items.size());
    items.emplace_back(name, at::ones({1}));
  }
  const StateDict dict = StateDict::of(std::move(items));
  if (!versions) return dict;
  return dict.select(indices, {}, std::decay_t<decltype(dict.versions())>(versions->begin(), versions->end()));
}

std::vector<std::string> names_of(const StateDict& dict) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < dict.size(); ++i) names.emplace_back(dict.key(i));
  return names;
}

Versions versions_of(const StateDict& dict) { return {dict.versions().begin(), dict.versions().end()}; }

using Names = std::vector<std::string>;

TEST(StateDictNamesTest, AWrappersPrefixComesOffWithItsVersions) {
  const StateDict dict = named({"module.bn.weight", "module.w", "step"}, Versions{{"", 1}, {"module", 2}, {"module.bn", 3}});
  const StateDict stripped = dict.with_prefix_stripped("module.");
  EXPECT_EQ(names_of(stripped), (Names{"bn.weight", "w", "step"}));
  EXPECT_EQ(versions_of(stripped), (Versions{{"", 2}, {"bn", 3}}));
  EXPECT_TRUE(stripped.tensor(0).is_same(dict.tensor(0)));
}

TEST(StateDictNamesTest, WhatHasNoPrefixStays) {
  const StateDict dict = named({"w", "modules.w"}, Versions{{"", 1}, {"modules", 2}});
  EXPECT_EQ(names_of(dict.with_prefix_stripped("module.")), (Names{"w", "modules.w"}));
  EXPECT_EQ(versions_of(dict.with_prefix_stripped("module.")), (Versions{{"", 1}, {"modules", 2}}));
  EXPECT_FALSE(named({"module.w"}).with_prefix_stripped("module.").has_metadata());
}

TEST(StateDictNamesTest, CollisionsNameBoth) {
  expect_error(ErrorCode::invalid_argument, "both 'a' and 'module.a' would be named 'a'",
               [] { named({"a", "module.a"}).with_prefix_stripped("module."); });
  expect_error(ErrorCode::invalid_argument, "both 'x' and 'y' would be named 'z'", [] { named({"x", "y"}).renamed({"z", "z"}); });
  expect_error(ErrorCode::invalid_argument, "1 names for 2 tensors", [] { named({"x", "y"}).renamed({"z"}); });
}

TEST(StateDictNamesTest, VersionsFollowTheTensors) {
  const StateDict dict = named({"net.0.weight", "net.0.bias", "net.1.bn.running_mean", "head.w"},
                               Versions{{"", 1}, {"net", 2}, {"net.0", 3}, {"net.1", 4}, {"net.1.bn", 5}, {"net.1.relu", 7},
                                        {"head", 6}});
  const StateDict renamed = dict.renamed({"body.0.weight", "body.0.bias", "body.1.bn.running_mean", "head.w"});
  EXPECT_EQ(versions_of(renamed),
            (Versions{{"", 1}, {"body", 2}, {"body.0", 3}, {"body.1", 4}, {"body.1.bn", 5}, {"body.1.relu", 7}, {"head", 6}}));
  const StateDict split = dict.renamed({"a.weight", "b.bias", "net.1.bn.running_mean", "head.w"});
  EXPECT_EQ(versions_of(split), versions_of(dict)) << "modules whose tensors disagree stay";
  const StateDict down = dict.renamed({"m.net.0.weight", "m.net.0.bias", "m.net.1.bn.running_mean", "m.head.w"});
  EXPECT_EQ(versions_of(down).at("m.net.1.bn"), 5);
  EXPECT_EQ(versions_of(down).at("m.net.1.relu"), 7);
  EXPECT_EQ(versions_of(down).at("m"), 1);
  const StateDict leaf = dict.renamed({"net.0.kernel", "net.0.bias", "net.1.bn.running_mean", "head.w"});
  EXPECT_EQ(versions_of(leaf), versions_of(dict));
}

TEST(StateDictNamesTest, AModulesPartIsNamedRelativeToIt) {
  const StateDict dict = named({"enc.w", "enc.bn.weight", "encoder.w", "w"},
                               Versions{{"", 1}, {"enc", 2}, {"enc.bn", 3}, {"encoder", 4}});
  const StateDict part = dict.submodule("enc");
  EXPECT_EQ(names_of(part), (Names{"w", "bn.weight"}));
  EXPECT_EQ(versions_of(part), (Versions{{"", 2}, {"bn", 3}}));
  EXPECT_EQ(names_of(dict.submodule("")), names_of(dict));
  EXPECT_EQ(dict.submodule("nothing").size(), 0U);
}

}  // namespace
}  // namespace torchferry::testing
