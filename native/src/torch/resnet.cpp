#include "torch/resnet.h"

#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>
#include <c10/util/irange.h>

#include <cmath>

#include "torch/plain_mode.h"

namespace torchferry {
namespace {

// Plain modules over the same operators as torch.nn's, because torch::nn's own always draw random weights.

struct Conv : torch::nn::Module {
  Conv(std::int64_t in, std::int64_t out, std::int64_t size, std::int64_t stride = 1)
      : weight(register_parameter("weight", at::zeros({out, in, size, size}))), stride(stride), padding(size / 2) {}
  at::Tensor operator()(const at::Tensor& x) const { return at::conv2d(x, weight, {}, stride, padding); }

  at::Tensor weight;
  std::int64_t stride, padding;
};

struct Norm : torch::nn::Module {
  explicit Norm(std::int64_t channels)
      : weight(register_parameter("weight", at::ones({channels}))),
        bias(register_parameter("bias", at::zeros({channels}))),
        mean(register_buffer("running_mean", at::zeros({channels}))),
        variance(register_buffer("running_var", at::ones({channels}))),
        batches(register_buffer("num_batches_tracked", at::zeros({}, c10::kLong))) {}
  at::Tensor operator()(const at::Tensor& x) {
    if (is_training()) batches.add_(1);
    return at::batch_norm(x, weight, bias, mean, variance, is_training(), 0.1, 1e-5, /*cudnn_enabled=*/true);
  }

  at::Tensor weight, bias, mean, variance, batches;
};

struct Linear : torch::nn::Module {
  Linear(std::int64_t in, std::int64_t out)
      : weight(register_parameter("weight", at::zeros({out, in}))),
        bias(register_parameter("bias", at::zeros({out}))) {}
  at::Tensor operator()(const at::Tensor& x) const { return at::linear(x, weight, bias); }

  at::Tensor weight, bias;
};

/// What a block adds its input through when the shapes differ: a Sequential in torchvision.
struct Downsample : torch::nn::Module {
  Downsample(std::int64_t in, std::int64_t out, std::int64_t stride)
      : conv(register_module("0", std::make_shared<Conv>(in, out, 1, stride))),
        norm(register_module("1", std::make_shared<Norm>(out))) {}
  at::Tensor operator()(const at::Tensor& x) const { return (*norm)((*conv)(x)); }

  std::shared_ptr<Conv> conv;
  std::shared_ptr<Norm> norm;
};

/// torchvision's BasicBlock (two convolutions) or Bottleneck (three; the stride is the middle one's).
struct Block : torch::nn::Module {
  Block(bool bottleneck, std::int64_t in, std::int64_t width, std::int64_t stride) {
    const std::int64_t out = bottleneck ? 4 * width : width;
    if (bottleneck) {
      add(in, width, 1, 1);
      add(width, width, 3, stride);
      add(width, out, 1, 1);
    } else {
      add(in, width, 3, stride);
      add(width, width, 3, 1);
    }
    if (stride != 1 || in != out) {
      downsample = register_module("downsample", std::make_shared<Downsample>(in, out, stride));
    }
  }
  at::Tensor operator()(const at::Tensor& x) const {
    at::Tensor y = x;
    for (std::size_t i = 0; i < convs.size(); ++i) {
      if (i != 0) y = at::relu(y);
      y = (*norms[i])((*convs[i])(y));
    }
    return at::relu(y + (downsample ? (*downsample)(x) : x));
  }

  std::vector<std::shared_ptr<Conv>> convs;
  std::vector<std::shared_ptr<Norm>> norms;
  std::shared_ptr<Downsample> downsample;

 private:
  void add(std::int64_t in, std::int64_t out, std::int64_t size, std::int64_t stride) {
    const std::string number = std::to_string(convs.size() + 1);
    convs.push_back(register_module("conv" + number, std::make_shared<Conv>(in, out, size, stride)));
    norms.push_back(register_module("bn" + number, std::make_shared<Norm>(out)));
  }
};

struct Layer : torch::nn::Module {
  Layer(bool bottleneck, std::int64_t count, std::int64_t in, std::int64_t width, std::int64_t stride) {
    for (const auto i : c10::irange(count)) {
      blocks.push_back(
          register_module(std::to_string(i), std::make_shared<Block>(bottleneck, in, width, i == 0 ? stride : 1)));
      in = bottleneck ? 4 * width : width;
    }
  }
  at::Tensor operator()(at::Tensor x) const {
    for (const auto& block : blocks) x = (*block)(x);
    return x;
  }

  std::vector<std::shared_ptr<Block>> blocks;
};

struct ResNet : torch::nn::Module {
  ResNet(bool bottleneck, const std::vector<std::int64_t>& counts, std::int64_t classes)
      : conv1(register_module("conv1", std::make_shared<Conv>(3, 64, 7, 2))),
        bn1(register_module("bn1", std::make_shared<Norm>(64))) {
    std::int64_t in = 64;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const std::int64_t width = std::int64_t{64} << i;
      layers.push_back(register_module(
          "layer" + std::to_string(i + 1),
          std::make_shared<Layer>(bottleneck, counts[i], in, width, i == 0 ? 1 : 2)));
      in = bottleneck ? 4 * width : width;
    }
    fc = register_module("fc", std::make_shared<Linear>(in, classes));
  }
  at::Tensor forward(at::Tensor x) {
    x = at::max_pool2d(at::relu((*bn1)((*conv1)(x))), 3, 2, 1);
    for (const auto& layer : layers) x = (*layer)(x);
    return (*fc)(at::adaptive_avg_pool2d(x, {1, 1}).flatten(1));
  }

  std::shared_ptr<Conv> conv1;
  std::shared_ptr<Norm> bn1;
  std::vector<std::shared_ptr<Layer>> layers;
  std::shared_ptr<Linear> fc;
};

/// torchvision's: kaiming_normal_(fan_out, relu) for convolutions, nn.Linear's own for the last layer.
void initialise(ResNet& net) {
  const PlainMode mode;
  for (const auto& module : net.modules()) {
    if (auto* conv = module->as<Conv>()) {
      const auto fan_out = static_cast<double>(conv->weight.size(0) * conv->weight.size(2) * conv->weight.size(3));
      conv->weight.normal_(0, std::sqrt(2 / fan_out));
    }
  }
  const double bound = 1 / std::sqrt(static_cast<double>(net.fc->weight.size(1)));
  net.fc->weight.uniform_(-bound, bound);
  net.fc->bias.uniform_(-bound, bound);
}

RegisteredModule resnet(std::string name, bool bottleneck, std::vector<std::int64_t> counts) {
  return {std::move(name), [bottleneck, counts = std::move(counts)](const ModuleConfig& config) {
            const std::int64_t classes = config.integer("num_classes", 1000);
            if (classes < 1) throw Error(ErrorCode::invalid_argument, "num_classes must be at least 1");
            auto net = std::make_shared<ResNet>(bottleneck, counts, classes);
            if (config.initialises()) initialise(*net);
            return registering::runnable(std::move(net), &ResNet::forward);
          }};
}

}  // namespace

std::vector<RegisteredModule> resnets() {
  return {resnet("resnet18", false, {2, 2, 2, 2}), resnet("resnet34", false, {3, 4, 6, 3}),
          resnet("resnet50", true, {3, 4, 6, 3}), resnet("resnet101", true, {3, 4, 23, 3}),
          resnet("resnet152", true, {3, 8, 36, 3})};
}

}  // namespace torchferry
