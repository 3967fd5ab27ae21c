// A shared library as an application writes it: modules that Java makes by their names.

#include <torchferry/register_module.h>

#include <ATen/ops/zeros.h>

namespace {

/// x * scale + shift, and what it was made with.
struct Affine : torch::nn::Module {
  Affine(std::int64_t size, double shift) : shift(shift) {
    scale = register_parameter("scale", at::zeros({size}));
    calls = register_buffer("calls", at::zeros({}, c10::kLong));
  }
  at::Tensor forward(at::Tensor x) { return x * scale + shift; }

  at::Tensor scale, calls;
  double shift;
};

struct MinAndMax : torch::nn::Module {
  std::tuple<at::Tensor, at::Tensor> forward(const at::Tensor& a, const at::Tensor& b) {
    return {a.minimum(b), a.maximum(b)};
  }
};

TORCHFERRY_REGISTER_MODULE("test_affine", [](const torchferry::ModuleConfig& config) {
  return std::make_shared<Affine>(config.integer("size", 2), config.real("shift", 0.5));
});
TORCHFERRY_REGISTER_MODULE("test_min_and_max",
                           [](const torchferry::ModuleConfig&) { return std::make_shared<MinAndMax>(); });

}  // namespace
