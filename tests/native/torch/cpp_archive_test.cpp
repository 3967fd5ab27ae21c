// Archives of the C++ frontend's torch::save, written by libtorch itself through torch::serialize::OutputArchive: a
// module, its nested modules, a tensor, a list of tensors, an optimizer. Read without running their code.

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>
#include <torch/serialize/output-archive.h>
#include <torchferry/checkpoint.h>

#include <sstream>

#include "torch/loading.h"

namespace torchferry::testing {
namespace {

using torch::serialize::OutputArchive;
using Names = std::vector<std::string>;

std::string bytes_of(OutputArchive& archive) {
  std::ostringstream out;
  archive.save_to(out);
  return out.str();
}

bool is_parameter(const Checkpoint& checkpoint, std::size_t entry) {
  const TensorRow& row = checkpoint.table().tensors()[checkpoint.entries()[entry].tensor];
  EXPECT_NE(row.parameter, row.buffer) << checkpoint.entries()[entry].key;
  return row.parameter;
}

/// As torch::save(module) writes: own parameters and buffers, then each child as an archive of its own.
std::string saved_module() {
  const at::Tensor weight = at::arange(6, at::kFloat).view({2, 3});
  OutputArchive root, layer(root.compilation_unit()), norm(root.compilation_unit());
  norm.write("weight", at::ones({2}));
  norm.write("running_mean", at::full({2}, 0.5), true);
  layer.write("weight", weight);
  layer.write("norm", norm);
  root.write("scale", at::full({}, 2.0));
  root.write("steps", at::full({}, 7, at::kLong), true);
  root.write("layer", layer);
  root.write("tied", weight);
  return bytes_of(root);
}

TEST(CppArchive, AModuleGivesItsStateDict) {
  const Checkpoint checkpoint = open_bytes(saved_module());
  EXPECT_EQ(checkpoint.format(), Format::torchscript);
  EXPECT_EQ(keys_of(checkpoint.entries()),
            (Names{"scale", "tied", "steps", "layer.weight", "layer.norm.weight", "layer.norm.running_mean"}));
  const std::vector<bool> parameters{true, true, false, true, true, false};
  for (std::size_t i = 0; i < parameters.size(); ++i) EXPECT_EQ(is_parameter(checkpoint, i), parameters[i]) << i;
  EXPECT_TRUE(checkpoint.opaque_globals().empty());
  const std::vector<std::string> path{"layer"};
  EXPECT_EQ(keys_of(checkpoint.entries(path)), (Names{"weight", "norm.weight", "norm.running_mean"}));
}

TEST(CppArchive, AModuleLoadsWithSharedStorages) {
  const StateDict state = StateDict::load(open_bytes(saved_module()), load_to(Device::cpu()));
  EXPECT_EQ(floats_of(tensor_at(state, "layer.weight")), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(floats_of(tensor_at(state, "layer.norm.running_mean")), (std::vector<float>{0.5, 0.5}));
  EXPECT_TRUE(share_storage(tensor_at(state, "tied"), tensor_at(state, "layer.weight")));
  EXPECT_EQ(tensor_at(state, "steps").scalar_type(), at::kLong);
}

TEST(CppArchive, TensorsAndListsOfTensorsAreNamedByNumbers) {
  OutputArchive one;  // torch::save(tensor)
  one.write("0", at::arange(3, at::kFloat));
  EXPECT_EQ(keys_of(open_bytes(bytes_of(one)).entries()), Names{"0"});
  OutputArchive several;  // torch::save(std::vector<torch::Tensor>)
  several.write("size", at::tensor(2));
  several.write("0", at::arange(3, at::kFloat));
  several.write("1", at::arange(4, at::kDouble));
  const Checkpoint checkpoint = open_bytes(bytes_of(several));
  EXPECT_EQ(keys_of(checkpoint.entries()), (Names{"size", "0", "1"}));
  EXPECT_EQ(checkpoint.table().tensors()[checkpoint.entries()[2].tensor].dtype, DType::float64);
}

TEST(CppArchive, AnOptimizersStateIsReachable) {
  // As torch::optim::Adam is saved: states under addresses, groups with their options beside them.
  OutputArchive root;
  OutputArchive state(root.compilation_unit()), one(root.compilation_unit());
  OutputArchive groups(root.compilation_unit()), group(root.compilation_unit());
  one.write("step", c10::IValue(static_cast<std::int64_t>(3)));
  one.write("exp_avg", at::ones({2}), true);
  state.write("94000000000016", one);
  group.write("params/0", c10::IValue(std::string("94000000000016")));
  groups.write("param_groups/size", at::tensor(1));
  groups.write("param_groups/0", group);
  root.write("pytorch_version", c10::IValue(std::string("1.5.0")));
  root.write("state", state);
  root.write("param_groups", groups);
  const Checkpoint checkpoint = open_bytes(bytes_of(root));
  EXPECT_EQ(keys_of(checkpoint.entries()),
            (Names{"state.94000000000016.exp_avg", "param_groups.param_groups/size"}));
  const std::vector<std::string> version{"pytorch_version"};
  EXPECT_EQ(checkpoint.value(version)->text, "1.5.0");
}

}  // namespace
}  // namespace torchferry::testing
