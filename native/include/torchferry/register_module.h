#pragma once

// Makes C++ modules known by name, to Java and to NativeModule::create:
//
//   struct Net : torch::nn::Module { at::Tensor forward(at::Tensor images); … };
//   TORCHFERRY_REGISTER_MODULE("net", [](const torchferry::ModuleConfig& config) {
//     return std::make_shared<Net>(config.integer("classes", 10));
//   });
//
// in a program, or in a shared library that NativeModule::load_library (io.torchferry.NativeModule.loadLibrary) loads.
// Such a library is compiled with the headers of the same Torchferry and the same libtorch, which is checked when it is
// loaded; it links to libtorch and to Torchferry::torchferry. forward takes tensors, and gives a tensor, or a tuple
// or std::vector of tensors; it is called in inference mode, on several threads at once.

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/version.h>
#include <torchferry/module_config.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace torchferry {

/// A module that was made, and how to run it.
struct MadeModule {
  std::shared_ptr<torch::nn::Module> module;
  std::function<std::vector<at::Tensor>(std::span<const at::Tensor>)> forward;
};

struct RegisteredModule {
  std::string name;
  std::function<MadeModule(const ModuleConfig&)> make;
};

/// What a shared library tells of itself. Only the numbers may be read before they are found to be one's own.
struct ModuleLibrary {
  int layout;                 ///< kModuleLibraryLayout
  int torch_major, torch_minor;
  const char* torchferry;     ///< version
  const std::vector<RegisteredModule>* modules;
};

inline constexpr int kModuleLibraryLayout = 1;
inline constexpr const char* kModuleLibraryTorchferry = "0.1.0";

namespace registering {

/// The modules of this program or shared library, and of no other one in the process.
[[gnu::visibility("hidden")]] inline std::vector<RegisteredModule>& own_modules() {
  static std::vector<RegisteredModule> modules;
  return modules;
}

[[gnu::visibility("hidden")]] inline const ModuleLibrary& own_library() {
  static const ModuleLibrary library{kModuleLibraryLayout, TORCH_VERSION_MAJOR, TORCH_VERSION_MINOR,
                                     kModuleLibraryTorchferry, &own_modules()};
  return library;
}

inline std::vector<at::Tensor> listed(at::Tensor result) { return {std::move(result)}; }
inline std::vector<at::Tensor> listed(std::vector<at::Tensor> results) { return results; }
template <class... Tensors>
std::vector<at::Tensor> listed(std::tuple<Tensors...> results) {
  return std::apply([](auto&&... one) { return std::vector<at::Tensor>{std::move(one)...}; }, std::move(results));
}

template <class Module, class Result, class... Inputs, std::size_t... I>
MadeModule runnable(std::shared_ptr<Module> module, Result (Module::*forward)(Inputs...), std::index_sequence<I...>) {
  Module* const self = module.get();
  return {std::move(module), [self, forward](std::span<const at::Tensor> inputs) {
            if (inputs.size() != sizeof...(Inputs)) {
              throw Error(ErrorCode::invalid_argument, "forward takes " + std::to_string(sizeof...(Inputs)) +
                                                           " inputs, but got " + std::to_string(inputs.size()));
            }
            return listed((self->*forward)(inputs[I]...));
          }};
}

template <class Module, class Result, class... Inputs>
MadeModule runnable(std::shared_ptr<Module> module, Result (Module::*forward)(Inputs...)) {
  return runnable(std::move(module), forward, std::index_sequence_for<Inputs...>());
}

/// `make` gives a std::shared_ptr to a class derived from torch::nn::Module that has one forward.
template <class Make>
bool add(std::string name, Make make) {
  own_modules().push_back({std::move(name), [make = std::move(make)](const ModuleConfig& config) {
                             auto module = make(config);
                             using Module = typename decltype(module)::element_type;
                             return runnable(std::move(module), &Module::forward);
                           }});
  return true;
}

}  // namespace registering
}  // namespace torchferry

/// The one symbol that NativeModule::load_library looks for.
extern "C" [[gnu::visibility("default"), gnu::used]] inline const torchferry::ModuleLibrary*
torchferry_module_library() {
  return &torchferry::registering::own_library();
}

#define TORCHFERRY_REGISTER_CONCAT_(a, b) a##b
#define TORCHFERRY_REGISTER_NAME_(line) TORCHFERRY_REGISTER_CONCAT_(torchferry_registered_, line)
/// TORCHFERRY_REGISTER_MODULE(name, factory);
#define TORCHFERRY_REGISTER_MODULE(name, ...) \
  [[maybe_unused]] static const bool TORCHFERRY_REGISTER_NAME_(__LINE__) = \
      ::torchferry::registering::add(name, __VA_ARGS__)
