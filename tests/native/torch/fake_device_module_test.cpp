// TorchScript modules on the fake accelerator.

#include "fake_device/fake_device.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <sstream>

namespace {

using at::Tensor;
using torch::jit::Module;

c10::Device fake(int index) { return {c10::DeviceType::PrivateUse1, static_cast<c10::DeviceIndex>(index)}; }

Module small_network() {
  Module module("Small");
  module.register_parameter("kernel", at::randn({4, 3, 3, 3}), /*is_buffer=*/false);
  module.register_parameter("weight", at::randn({5, 4}), false);
  module.register_parameter("bias", at::randn({5}), false);
  module.register_buffer("mean", at::zeros({4}));
  module.register_buffer("variance", at::ones({4}));
  module.define(R"(
    def forward(self, x):
        x = torch.conv2d(x, self.kernel)
        x = torch.batch_norm(x, None, None, self.mean, self.variance, False, 0.1, 1e-5, False)
        x = torch.relu(x).mean([2, 3])
        return torch.softmax(torch.addmm(self.bias, x, self.weight.t()), 1)
  )");
  return module;
}

void expect_all_on(const Module& module, const c10::Device& device) {
  for (const Tensor& tensor : module.parameters()) EXPECT_EQ(tensor.device(), device);
  for (const Tensor& tensor : module.buffers()) EXPECT_EQ(tensor.device(), device);
}

TEST(FakeDeviceModule, MovesThereAndBackAndComputesTheSame) {
  Module module = small_network();
  const Tensor input = at::randn({2, 3, 6, 6});
  const Tensor expected = module.forward({input}).toTensor().detach();
  module.to(fake(1));
  expect_all_on(module, fake(1));
  for (int run = 0; run < 3; ++run) {  // the executor specializes after the first runs
    const Tensor output = module.forward({input.to(fake(1))}).toTensor();
    EXPECT_EQ(output.device(), fake(1));
    EXPECT_TRUE(at::equal(output.cpu(), expected));
  }
  EXPECT_ANY_THROW(module.forward({input}));
  module.to(at::kCPU);
  expect_all_on(module, at::kCPU);
  EXPECT_TRUE(at::equal(module.forward({input}).toTensor(), expected));
}

TEST(FakeDeviceModule, LoadsStraightOntoTheDevice) {
  const Module module = small_network();
  const Tensor input = at::randn({1, 3, 6, 6});
  std::stringstream archive;
  module.save(archive);
  tf_fake_reset_stats();
  Module loaded = torch::jit::load(archive, fake(0));
  expect_all_on(loaded, fake(0));
  tf_fake_device_stats stats;
  ASSERT_EQ(tf_fake_stats(0, &stats), 0);
  EXPECT_EQ(stats.host_to_device_copies, 5);
  EXPECT_EQ(stats.allocated_bytes, 4 * (4 * 27 + 20 + 5 + 4 + 4));
  EXPECT_TRUE(at::equal(loaded.forward({input.to(fake(0))}).toTensor().cpu(),
                        Module(module).forward({input}).toTensor()));
}

TEST(FakeDeviceModule, RefusesToLoadOntoAnIndexThatIsNotThere) {
  std::stringstream archive;
  small_network().save(archive);
  EXPECT_ANY_THROW(torch::jit::load(archive, fake(9)));
}

}  // namespace
