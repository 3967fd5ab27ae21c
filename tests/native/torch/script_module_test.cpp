// TorchScript modules: loaded to a device, filled from a state dict, run.

#include <torchferry/script_module.h>

#include <ATen/core/Tensor.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torchferry/devices.h>
#include <torchferry/error.h>

#include <sstream>

#include "container/zip_archive.h"
#include "fake_device/fake_device.h"
#include "io/error_of.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

using torch::jit::Module;

/// root: w, b (buffer); bn: BatchNorm1d's tensors; w is also `tied`, and a view of it is `part`.
std::string saved_module() {
  const auto unit = std::make_shared<torch::jit::CompilationUnit>();
  Module norm(c10::QualifiedName("__torch__.torch.nn.modules.batchnorm.BatchNorm1d"), unit);
  norm.register_parameter("weight", at::ones({2}), false);
  norm.register_buffer("running_mean", at::zeros({2}));
  norm.register_buffer("num_batches_tracked", at::zeros({}, c10::kLong));
  norm.register_attribute("training", c10::BoolType::get(), true);
  norm.define("def forward(self, x):\n  return x * self.weight - self.running_mean\n");
  Module root(c10::QualifiedName("__torch__.Net"), unit);
  const at::Tensor w = at::ones({2, 2}).requires_grad_();
  root.register_parameter("w", w, false);
  root.register_parameter("tied", w, false);
  root.register_buffer("part", w.detach().select(0, 1));
  root.register_attribute("training", c10::BoolType::get(), true);
  root.register_attribute("cache", c10::TensorType::get(), at::zeros({1}));
  root.register_module("bn", norm);
  root.define(R"(
    def forward(self, x):
        return self.bn.forward(torch.mm(x, self.w))
    def both(self, x, scale: float = 2.0):
        return x, x * scale
    def listed(self, x):
        return [x, x + 1]
    def counted(self, x) -> int:
        return x.size(0)
    def mode(self, x):
        return torch.dropout(x, 0.5, self.training)
    def remember(self, x):
        self.part.add_(x)
        return self.part
  )");
  std::ostringstream out;
  root.save(out);
  return out.str();
}

ScriptModule loaded(const Device& device = Device::cpu()) {
  const std::string bytes = saved_module();
  return ScriptModule::load(as_bytes(bytes), device, "net.ts");
}

std::vector<std::string> keys_of(const StateDict& state_dict) {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < state_dict.size(); ++i) keys.emplace_back(state_dict.key(i));
  return keys;
}

TEST(ScriptModuleTest, ListsItsTensorsInModuleOrder) {
  const StateDict own = loaded().state_dict();
  EXPECT_EQ(keys_of(own), (std::vector<std::string>{"w", "tied", "part", "bn.weight", "bn.running_mean",
                                                    "bn.num_batches_tracked"}));
  EXPECT_TRUE(own.is_parameter(0));
  EXPECT_FALSE(own.is_parameter(2));
  EXPECT_TRUE(own.tensor(0).is_same(own.tensor(1)));
}

TEST(ScriptModuleTest, LoadsAStateDictIntoItself) {
  ScriptModule module = loaded();
  EXPECT_EQ(module.type_name(), "Net");
  const StateDict own = module.state_dict();
  const void* const data = own.tensor(0).const_data_ptr();
  module.load_state_dict(StateDict::of({{"w", at::full({2, 2}, 3.0)},
                                        {"tied", at::full({2, 2}, 3.0)},
                                        {"part", at::full({2}, 3.0)},
                                        {"bn.weight", at::full({2}, 0.5)},
                                        {"bn.running_mean", at::zeros({2})}}));
  EXPECT_EQ(own.tensor(0).const_data_ptr(), data);
  const std::vector<at::Tensor> input{at::ones({1, 2})};
  EXPECT_EQ(floats_of(module.forward(input).at(0)), (std::vector<float>{3, 3}));
  const Error error = error_of([&] { module.load_state_dict(StateDict::of({{"x", at::ones({1})}})); });
  EXPECT_EQ(
      error.message(),
      "Error(s) in loading state_dict for Net:\n\tMissing key(s) in state_dict: \"w\", \"tied\", \"part\", "
      "\"bn.weight\", \"bn.running_mean\". \n\tUnexpected key(s) in state_dict: \"x\". ");
  EXPECT_EQ(module.load_state_dict(StateDict::of({}), false).missing_keys.size(), 5U);
}

TEST(ScriptModuleTest, RunsMethodsWithCheckedArguments) {
  const ScriptModule module = loaded();
  const std::vector<at::Tensor> one{at::ones({2})};
  const std::vector<at::Tensor> none;
  EXPECT_EQ(module.run_method("both", one).size(), 2U);
  EXPECT_EQ(floats_of(module.run_method("both", one)[1]), (std::vector<float>{2, 2}));
  EXPECT_EQ(floats_of(module.run_method("listed", one)[1]), (std::vector<float>{2, 2}));
  expect_error(ErrorCode::invalid_argument, "Net.forward takes 1 inputs (x), but got 0",
               [&] { module.forward(none); });
  expect_error(ErrorCode::invalid_argument, "Net.both takes 1 to 2 inputs (x, scale), but got 0",
               [&] { module.run_method("both", none); });
  expect_error(ErrorCode::invalid_argument,
               "Net has no method 'backward'; it has: ", [&] { module.run_method("backward", one); });
  expect_error(ErrorCode::unsupported, "Net.counted gave Int", [&] { module.run_method("counted", one); });
  const Error shape = error_of([&] { module.forward(std::vector<at::Tensor>{at::ones({1, 3})}); });
  EXPECT_EQ(shape.message(), "mat1 and mat2 shapes cannot be multiplied (1x3 and 2x2)");
}

TEST(ScriptModuleTest, ResultsAreOrdinaryTensors) {
  const ScriptModule module = loaded();
  const at::Tensor result = module.forward(std::vector<at::Tensor>{at::ones({1, 2})}).at(0);
  EXPECT_FALSE(result.is_inference());
  EXPECT_FALSE(result.requires_grad());
  result.add_(1.0);
  EXPECT_TRUE(at::ones({2}).requires_grad_().mul(result).requires_grad());
  const at::Tensor own = module.run_method("remember", std::vector<at::Tensor>{at::ones({2})}).at(0);
  EXPECT_TRUE(own.is_same(tensor_at(module.state_dict(), "part")));
}

TEST(ScriptModuleTest, SwitchesBetweenTrainingAndEvaluation) {
  ScriptModule module = loaded();
  EXPECT_TRUE(module.is_training());
  module.train(false);
  EXPECT_FALSE(module.is_training());
  const at::Tensor x = at::ones({64});
  EXPECT_TRUE(at::equal(module.run_method("mode", std::vector<at::Tensor>{x}).at(0), x));
  module.train(true);
  EXPECT_FALSE(at::equal(module.run_method("mode", std::vector<at::Tensor>{x}).at(0), x));
}

TEST(ScriptModuleTest, MovesKeepTiesAndSharing) {
  const Device fake = Device{c10::get_privateuse1_backend(), 1};
  tf_fake_reset_stats();
  ScriptModule module = loaded();
  const StateDict before = module.state_dict();
  module.to(fake);
  const StateDict after = module.state_dict();
  EXPECT_EQ(from_c10(after.tensor(0).device()), fake);
  EXPECT_TRUE(after.tensor(0).is_same(after.tensor(1)));
  EXPECT_TRUE(share_storage(tensor_at(after, "w"), tensor_at(after, "part")));
  EXPECT_TRUE(tensor_at(after, "w").requires_grad());
  tf_fake_device_stats stats{};
  ASSERT_EQ(tf_fake_stats(1, &stats), 0);
  EXPECT_EQ(stats.host_to_device_copies, 4);
  EXPECT_TRUE(before.tensor(0).device().is_cpu());
  const std::vector<at::Tensor> input{at::ones({1, 2}).to(to_c10(fake))};
  EXPECT_EQ(floats_of(module.forward(input).at(0)), (std::vector<float>{2, 2}));
  module.load_state_dict(before, false);
  module.to(Device::cpu());
  EXPECT_TRUE(tensor_at(module.state_dict(), "w").device().is_cpu());
  expect_error(ErrorCode::device_unavailable, "device cuda:0", [&] { module.to(Device{"cuda", 0}); });
}

TEST(ScriptModuleTest, LoadsToADeviceWhateverTheFileSays) {
  const Device fake = Device{c10::get_privateuse1_backend(), 0};
  const ScriptModule there = loaded(fake);
  EXPECT_EQ(from_c10(there.state_dict().tensor(0).device()), fake);
  expect_error(ErrorCode::device_unavailable, "device cuda:3 is not available",
               [] { loaded(Device{"cuda", 3}); });
  expect_error(ErrorCode::io, "there is no such file",
               [] { ScriptModule::load("/nowhere.ts", Device::cpu()); });
}

TEST(ScriptModuleTest, RefusesWhatIsNoTorchScript) {
  const std::string checkpoint = archive(dict({{str("w"), tensor({})}}), {{"0", floats(6)}});
  const Error error = error_of([&] { ScriptModule::load(as_bytes(checkpoint), Device::cpu(), "plain.pt"); });
  EXPECT_STREQ(name(error.code()), "corrupt");
  EXPECT_EQ(error.file(), "plain.pt");
  EXPECT_EQ(error.message(),
            "not a TorchScript module but a checkpoint of format zip; load its tensors as a state dict");
  expect_error(ErrorCode::corrupt, "text.ts: ", [] {
    ScriptModule::load(as_bytes("not an archive at all"), Device::cpu(), "text.ts");
  });
  std::string cut = saved_module();
  cut.resize(cut.size() / 2);
  expect_error(ErrorCode::corrupt,
               "cut.ts: ", [&] { ScriptModule::load(as_bytes(cut), Device::cpu(), "cut.ts"); });
}

/// The archive with other contents: `edit` gets the name and the content of each record, as it is without
/// compression.
template <class Edit>
std::string repacked(const std::string& bytes, const Edit& edit) {
  const ZipArchive archive = ZipArchive::open(source_of(bytes), Limits{});
  ZipBuilder zip;
  for (std::uint32_t i = 0; i < archive.records().size(); ++i) {
    const std::vector<std::byte> content = archive.read(i, std::size_t{1} << 20, "1 MiB", true);
    std::string text(reinterpret_cast<const char*>(content.data()), content.size());
    edit(archive.records()[i].name, text);
    zip.add(std::string(archive.records()[i].name), text);
  }
  return zip.bytes();
}

TEST(ScriptModuleTest, RefusesRecordsThatLibtorchWouldReadBeyond) {
  const std::string bytes = repacked(saved_module(), [](std::string_view name, std::string& content) {
    if (name.ends_with("/data/0")) content.resize(4);
  });
  expect_error(ErrorCode::corrupt, "record size (4 bytes) does not match expected size (16 bytes)",
               [&] { ScriptModule::load(as_bytes(bytes), Device::cpu(), "short.ts"); });
}

TEST(ScriptModuleTest, RefusesModulesOfANewerLibtorch) {
  const std::string bytes = repacked(saved_module(), [](std::string_view name, std::string& content) {
    if (name.ends_with("/version")) content = "99\n";
  });
  expect_error(ErrorCode::unsupported, "archive version 99; versions 1 to ",
               [&] { ScriptModule::load(as_bytes(bytes), Device::cpu(), "newer.ts"); });
}

TEST(ScriptModuleTest, TorchScriptsOwnErrorsComeInOneLine) {
  const std::string bytes = repacked(saved_module(), [](std::string_view, std::string& content) {
    const std::size_t at = content.find("torch.mm(");
    if (at != std::string::npos) content.replace(at, 8, "torch.zz");
  });
  const Error error = error_of([&] { ScriptModule::load(as_bytes(bytes), Device::cpu(), "odd.ts"); });
  EXPECT_STREQ(error.what(), "odd.ts: Unknown builtin op: aten::zz.");
}

/// The seed scenario: a checkpoint that Python saved on a GPU goes into a TorchScript model, which answers as
/// in Python.
TEST(ScriptModuleTest, AnswersAsItDidInPython) {
  const std::filesystem::path demo =
      std::filesystem::path(TORCHFERRY_ROOT) / "java/cli/src/main/resources/io/torchferry/cli/demo";
  for (const Device& device : {Device::cpu(), Device{c10::get_privateuse1_backend(), 0}}) {
    ScriptModule model = ScriptModule::load(demo / "model.ts", device);
    const Checkpoint checkpoint = Checkpoint::open(demo / "model_gpu.pth");
    const std::vector<std::string> path{"model"};
    const StateDict weights = StateDict::load(checkpoint, checkpoint.entries(path), load_to(device), path);
    EXPECT_TRUE(weights.has_metadata());
    EXPECT_TRUE(model.load_state_dict(weights).missing_keys.empty());
    model.train(false);
    const StateDict expected = StateDict::load(Checkpoint::open(demo / "expected.pth"));
    const std::vector<at::Tensor> input{tensor_at(expected, "input").to(to_c10(device))};
    const at::Tensor output = model.forward(input).at(0).cpu();
    EXPECT_TRUE(at::allclose(output, tensor_at(expected, "output"), 1e-4, 1e-5));
  }
}

}  // namespace
}  // namespace torchferry::testing
