// StateDict as a container of tensors that the caller made.

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/complex.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/quantize_per_tensor.h>
#include <gtest/gtest.h>
#include <torchferry/error.h>

#include "io/error_of.h"
#include "torch/key_index.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

TEST(StateDictTest, KeepsOrderAndFindsNames) {
  const at::Tensor a = at::ones({2});
  const StateDict sd = StateDict::of({{"z", a}, {"", at::ones({1}).requires_grad_()}, {"a.β", a}});
  ASSERT_EQ(sd.size(), 3U);
  EXPECT_EQ(sd.key(0), "z");
  EXPECT_EQ(sd.find("a.β"), 2U);
  EXPECT_EQ(sd.find(""), 1U);
  EXPECT_EQ(sd.find("nothing"), std::nullopt);
  EXPECT_TRUE(sd.tensor(2).is_same(a));
  EXPECT_TRUE(sd.is_parameter(1));
  EXPECT_FALSE(sd.is_parameter(0));
  EXPECT_FALSE(sd.has_metadata());
  EXPECT_EQ(StateDict::of({}).size(), 0U);
  EXPECT_EQ(StateDict::of({}).find("a"), std::nullopt);
}

TEST(StateDictTest, RefusesEqualNamesAndUndefinedTensors) {
  expect_error(ErrorCode::invalid_argument, "two tensors have the name 'a'",
               [] { StateDict::of({{"a", at::ones({1})}, {"a", at::ones({1})}}); });
  expect_error(ErrorCode::invalid_argument, "'a' is undefined", [] { StateDict::of({{"a", at::Tensor()}}); });
  expect_error(ErrorCode::invalid_argument, "parameter marks",
               [] { StateDict::of({{"a", at::ones({1})}}, {true, false}); });
}

TEST(StateDictTest, FindsEveryOneOfManyNames) {
  std::vector<std::string> names;
  for (int i = 0; i < 5000; ++i) names.push_back("layers." + std::to_string(i) + ".weight");
  KeyIndex index;
  const auto at = [&](std::size_t i) { return std::string_view(names[i]); };
  EXPECT_EQ(index.build(at, names.size()), std::nullopt);
  for (std::size_t i = 0; i < names.size(); ++i) ASSERT_EQ(index.find(at, names[i]), i);
  EXPECT_EQ(index.find(at, "layers.5000.weight"), std::nullopt);
  names.push_back(names[17]);
  EXPECT_EQ(KeyIndex().build(at, names.size()), 5000U);
}

TEST(StateDictTest, SelectsAndRenames) {
  const StateDict sd =
      StateDict::of({{"m.a", at::ones({1})}, {"m.b", at::ones({2}).requires_grad_()}, {"c", at::ones({3})}});
  const std::vector<std::size_t> indices{1, 0};
  const StateDict some = sd.select(indices);
  EXPECT_EQ(some.key(0), "m.b");
  EXPECT_TRUE(some.is_parameter(0));
  EXPECT_TRUE(some.tensor(1).is_same(sd.tensor(0)));
  const StateDict renamed = sd.select(indices, {"b", "a"}, ModuleVersions{{"bn", 2}});
  EXPECT_EQ(renamed.find("a"), 1U);
  EXPECT_EQ(renamed.versions(), (ModuleVersions{{"bn", 2}}));
  expect_error(ErrorCode::invalid_argument, "two tensors", [&] { sd.select(indices, {"x", "x"}); });
  expect_error(ErrorCode::invalid_argument, "1 names for 2", [&] { sd.select(indices, {"x"}); });
  const std::vector<std::size_t> beyond{3};
  expect_error(ErrorCode::invalid_argument, "no tensor 3", [&] { sd.select(beyond); });
}

TEST(StateDictTest, CastKeepsSharingAmongViewsOfOneType) {
  const at::Tensor base = at::arange(12, c10::kFloat).view({3, 4});
  const at::Tensor expanded = base.select(0, 1).unsqueeze(0).expand({1000, 4});
  const at::Tensor bits = base.view(c10::kInt);
  const StateDict cast = StateDict::of({{"base", base},
                                        {"t", base.t()},
                                        {"base again", base},
                                        {"expanded", expanded},
                                        {"bits", bits},
                                        {"n", at::ones({2}, c10::kLong)}})
                             .cast(DType::float16);
  EXPECT_EQ(tensor_at(cast, "base").scalar_type(), c10::kHalf);
  EXPECT_TRUE(share_storage(tensor_at(cast, "base"), tensor_at(cast, "t")));
  EXPECT_TRUE(share_storage(tensor_at(cast, "base"), tensor_at(cast, "expanded")));
  EXPECT_TRUE(tensor_at(cast, "base").is_same(tensor_at(cast, "base again")));
  EXPECT_EQ(tensor_at(cast, "expanded").storage().nbytes(), 24U);
  EXPECT_EQ(tensor_at(cast, "expanded").stride(0), 0);
  EXPECT_TRUE(at::equal(tensor_at(cast, "t").to(c10::kFloat), base.t()));
  EXPECT_TRUE(tensor_at(cast, "bits").is_same(bits));
  EXPECT_EQ(tensor_at(cast, "n").scalar_type(), c10::kLong);
}

TEST(StateDictTest, CastRefusesOtherTypesAndLeavesOthersAlone) {
  const at::Tensor quantized = at::quantize_per_tensor(at::ones({2}), 0.1, 0, c10::kQInt8);
  const at::Tensor complex = at::complex(at::ones({2}), at::ones({2}));
  const StateDict sd = StateDict::of({{"q", quantized}, {"z", complex}, {"s", at::ones({2, 2}).to_sparse()}});
  const StateDict cast = sd.cast(DType::float64);
  EXPECT_TRUE(tensor_at(cast, "q").is_same(quantized));
  EXPECT_TRUE(tensor_at(cast, "z").is_same(complex));
  EXPECT_EQ(tensor_at(cast, "s").scalar_type(), c10::kDouble);
  EXPECT_EQ(tensor_at(cast, "s").layout(), c10::kSparse);
  EXPECT_TRUE(tensor_at(cast, "s").is_coalesced());
  expect_error(ErrorCode::invalid_argument, "not to int64", [&] { sd.cast(DType::int64); });
  expect_error(ErrorCode::unsupported, "tensor 's': ", [&] { sd.cast(DType::float4_e2m1fn_x2); });
}

TEST(StateDictTest, MovesToMetaAndNotBack) {
  const at::Tensor conj = at::complex(at::ones({2}), at::ones({2})).conj();
  const StateDict sd =
      StateDict::of({{"a", at::ones({2, 3})}, {"z", conj}, {"s", at::ones({2, 2}).to_sparse_csr()}});
  const StateDict meta = sd.to(Device::meta());
  EXPECT_TRUE(tensor_at(meta, "a").is_meta());
  EXPECT_TRUE(tensor_at(meta, "z").is_conj());
  EXPECT_EQ(tensor_at(meta, "s").layout(), c10::kSparseCsr);
  expect_error(ErrorCode::invalid_argument, "tensor 'a': Cannot copy out of meta tensor; no data!",
               [&] { meta.to(Device::cpu()); });
  EXPECT_TRUE(sd.to(Device::cpu()).tensor(2).is_same(sd.tensor(2)));
}

TEST(StateDictTest, CountsEachStorageOnce) {
  const at::Tensor base = at::ones({10});
  const StateDict sd =
      StateDict::of({{"a", base}, {"b", base.slice(0, 2, 4)}, {"s", at::ones({2, 2}).to_sparse()}});
  EXPECT_EQ(sd.bytes_by_device(), (std::map<Device, std::uint64_t>{{Device::cpu(), 40 + 64 + 16}}));
}

}  // namespace
}  // namespace torchferry::testing
