// Loads weights that were saved on a GPU into a module of the application's own, on whatever device is here.
//
//   load_into_module FOLDER [DEVICE]     with model_gpu.pth and expected.pth in the folder

#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>
#include <c10/core/InferenceMode.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torchferry/devices.h>
#include <torchferry/load_state_dict.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

/// The structure that was trained in Python, with the same names.
struct LineNet : torch::nn::Module {
  torch::nn::Conv2d conv1 = register_module("conv1", torch::nn::Conv2d(torch::nn::Conv2dOptions(1, 8, 3).padding(1)));
  torch::nn::BatchNorm2d norm1 = register_module("norm1", torch::nn::BatchNorm2d(8));
  torch::nn::Conv2d conv2 = register_module("conv2", torch::nn::Conv2d(torch::nn::Conv2dOptions(8, 16, 3).padding(1)));
  torch::nn::BatchNorm2d norm2 = register_module("norm2", torch::nn::BatchNorm2d(16));
  torch::nn::Linear hidden = register_module("hidden", torch::nn::Linear(256, 64));
  torch::nn::Linear classes = register_module("classes", torch::nn::Linear(64, 4));

  at::Tensor forward(at::Tensor images) {
    images = at::max_pool2d(at::relu(norm1(conv1(images))), 2);
    images = at::max_pool2d(at::relu(norm2(conv2(images))), 2);
    return classes(at::relu(hidden(images.flatten(1))));
  }
};

int run(const std::filesystem::path& folder, const torchferry::Device& device) {
  const auto here = torchferry::MapLocation::to(device);

  LineNet model;
  model.to(torchferry::to_c10(device));
  const auto file = torchferry::Checkpoint::open(folder / "model_gpu.pth");  // {"epoch": …, "model": …}
  const std::string path[] = {"model"};
  const auto weights =
      torchferry::StateDict::load(file, file.entries(path), {.map_location = here}, {path[0]});
  torchferry::load_state_dict(model, weights);  // strict, in PyTorch's words; a failure changes nothing
  model.eval();

  const auto recorded =
      torchferry::StateDict::load(torchferry::Checkpoint::open(folder / "expected.pth"), {.map_location = here});
  const c10::InferenceMode no_gradients;
  const at::Tensor output = model.forward(recorded.tensor(*recorded.find("input")));
  const at::Tensor expected = recorded.tensor(*recorded.find("output"));
  const double difference = (output - expected).abs().max().item<double>();
  std::printf("%zu tensors on %s, largest difference from PyTorch's answer %g\n", weights.size(),
              device.str().c_str(), difference);
  return difference <= 1e-5 * expected.abs().max().item<double>() ? 0 : 1;
}

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: %s FOLDER [DEVICE]\n", arguments[0]);
    return 2;
  }
  try {
    return run(arguments[1], count > 2 ? torchferry::Device::parse(arguments[2]) : torchferry::best_available_device());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
