#include "torch/aoti_runner.h"

#include <c10/core/DeviceGuard.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <torch/csrc/inductor/aoti_runner/model_container_runner.h>
#include <torchferry/devices.h>
#include <torchferry/error.h>

#include <cstdint>
#include <list>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "torch/translate_errors.h"

namespace torchferry {

using torch::inductor::AOTIModelContainerRunner;
using Tensors = std::unordered_map<std::string, at::Tensor>;
using Container = AOTInductorModelContainerHandle;

namespace {

/// What a constant was, by the numbers that libraries have for it (torch::aot_inductor::ConstantType).
constexpr std::int32_t kBuffer = 2;
constexpr std::int32_t kTensorConstant = 3;

/// Compiled code trusts its inputs' sizes unless this variable is set when it runs first, and reads beyond
/// the end of those that are too small.
void have_inputs_checked() {
  static const int set = ::setenv("AOTI_RUNTIME_CHECK_INPUTS", "1", /*overwrite=*/0);
  static_cast<void>(set);
}

/// The libraries' order of initialisation and libtorch's registry are shared by all.
std::mutex& loading() {
  static std::mutex mutex;
  return mutex;
}

/// The container inside libtorch's runner, which tells more than the runner passes on.
struct Inside : AOTIModelContainerRunner {
  static Container of(const AOTIModelContainerRunner& runner) {
    return runner.*(&Inside::container_handle_);
  }
};

/// A library that libtorch has loaded already.
class Library {
 public:
  explicit Library(const std::filesystem::path& path)
      : handle_(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD)) {}
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() {
    if (handle_ != nullptr) ::dlclose(handle_);
  }

  /// Null when the library lacks it.
  template <class Function>
  Function* find(const char* name) const {
    return handle_ == nullptr ? nullptr : reinterpret_cast<Function*>(::dlsym(handle_, name));
  }

 private:
  void* handle_;
};

/// An argument of a library's function: what it wrote, or an error.
template <class Value, class Function, class... Arguments>
Value asked(Function* function, Arguments... arguments) {
  Value value{};
  if (function == nullptr || function(arguments..., &value) != AOTI_RUNTIME_SUCCESS) {
    throw Error(ErrorCode::unsupported, "the library does not tell what its constants are; compile the package again");
  }
  return value;
}

/// Newer runners have weights in a file of their own.
template <class Runner>
void load_weights(Runner& runner, const std::filesystem::path& file) {
  if constexpr (requires { runner.update_constant_buffer_from_blob(file.native()); }) {
    runner.update_constant_buffer_from_blob(file.native());
  } else {
    throw Error(ErrorCode::unsupported, "the package has its constants in a file of their own, and this libtorch does "
                                        "not know of that");
  }
}

std::unique_ptr<AOTIModelContainerRunner> make_runner(const AotiPackage& package, const Device& device,
                                                      std::size_t runners) {
  const std::scoped_lock lock(loading());
  have_inputs_checked();
  const auto& makers = torch::inductor::getAOTIModelRunnerRegistry();
  const auto maker = makers.find(device.type);
  if (maker == makers.end()) {
    throw Error(ErrorCode::unsupported, "this libtorch runs no compiled models on devices of type " + device.type);
  }
  const std::string kernels = package.library.parent_path().native();
  auto runner = maker->second(package.library.native(), runners, device.str(), kernels, /*run_single_threaded=*/false);
  if (package.weights) load_weights(*runner, *package.weights);
  return runner;
}

/// What the dynamic linker says when the library was compiled for other headers.
[[noreturn]] void rethrow_load_failure() {
  try {
    rethrow_translated(ErrorCode::unsupported);
  } catch (const Error& error) {
    const bool linking = error.message().find("undefined symbol") != std::string::npos;
    if (!linking) throw;
    throw Error(ErrorCode::unsupported, "compiled by a PyTorch that this libtorch (" + libtorch_runtime_version() +
                                            ") does not fit: " + error.message());
  }
}

}  // namespace

struct AotiRunner::State {
  using LastError = AOTIRuntimeError(const char**);

  State(AotiPackage unpacked, const Device& on, std::size_t runners)
      : package(std::move(unpacked)), device(to_c10(on)), runner(make_runner(package, on, runners)),
        library(package.library), last_error(library.find<LastError>("AOTInductorGetLastError")) {}

  const AotiPackage package;
  const c10::Device device;
  const std::unique_ptr<AOTIModelContainerRunner> runner;
  const Library library;
  LastError* const last_error;
  std::list<Tensors> replaced;  ///< what the model uses instead of its own; it keeps the addresses of the tensors

  /// The model's own words for what it has just refused on this thread, else the runner's.
  std::string reason(const std::exception& failure) const {
    const char* text = nullptr;
    if (last_error != nullptr && last_error(&text) == AOTI_RUNTIME_SUCCESS && text != nullptr && *text != '\0') {
      return one_line(std::runtime_error(text));
    }
    return one_line(failure);
  }
};

AotiRunner::AotiRunner(AotiPackage package, const Device& device, std::size_t runners) {
  try {
    const c10::DeviceGuard guard(to_c10(device));
    state_ = std::make_unique<State>(std::move(package), device, runners);
    constants();
  } catch (...) {
    rethrow_load_failure();
  }
}

AotiRunner::~AotiRunner() = default;

std::vector<AotiConstant> AotiRunner::constants() const {
  const auto& library = state_->library;
  const auto count_of =
      library.find<AOTIRuntimeError(Container, std::size_t*)>("AOTInductorModelContainerGetNumConstants");
  using TextOf = AOTIRuntimeError(Container, std::size_t, const char**);
  const auto name_of = library.find<TextOf>("AOTInductorModelContainerGetConstantName");
  const auto key_of = library.find<TextOf>("AOTInductorModelContainerGetConstantOriginalFQN");
  const auto type_of = library.find<AOTIRuntimeError(Container, std::size_t, std::int32_t*)>(
      "AOTInductorModelContainerGetConstantType");
  const auto is_folded = library.find<AOTIRuntimeError(Container, std::size_t, bool*)>(
      "AOTInductorModelContainerGetConstantFromFolded");
  const auto container = Inside::of(*state_->runner);
  const auto tensors = state_->runner->extract_constants_map(/*use_inactive=*/false);
  const auto count = asked<std::size_t>(count_of, container);
  std::vector<AotiConstant> constants;
  for (std::size_t i = 0; i < count; ++i) {
    const auto type = asked<std::int32_t>(type_of, container, i);
    if (type == kTensorConstant || asked<bool>(is_folded, container, i)) continue;
    const std::string key = asked<const char*>(key_of, container, i);
    const auto tensor = tensors.find(key);
    if (tensor == tensors.end() || !tensor->second.defined()) {
      throw Error(ErrorCode::unsupported, "the package was made without its constants, of which " + key +
                                              " is one; make it with aot_inductor.package_constants_in_so=True");
    }
    constants.push_back({asked<const char*>(name_of, container, i), key, type != kBuffer, tensor->second});
  }
  return constants;
}

void AotiRunner::constants_changed() {
  Tensors none;
  state_->runner->update_constant_buffer(none, /*use_inactive=*/false, /*validate_full_updates=*/false);
}

void AotiRunner::replace(Tensors constants) {
  if (!state_->replaced.empty()) {
    for (const auto& [name, tensor] : state_->replaced.back()) constants.emplace(name, tensor);
  }
  state_->replaced.push_back(std::move(constants));
  state_->runner->update_constant_buffer(state_->replaced.back(), /*use_inactive=*/false,
                                         /*validate_full_updates=*/false, /*user_managed=*/true);
  while (state_->replaced.size() > 1) state_->replaced.pop_front();
}

std::vector<at::Tensor> AotiRunner::run(std::vector<at::Tensor> inputs) const {
  return translated(ErrorCode::invalid_argument, [&] {
    const c10::DeviceGuard guard(state_->device);
    try {
      return state_->runner->run(inputs);
    } catch (const std::exception& failure) {
      throw std::runtime_error(state_->reason(failure));
    }
  });
}

}  // namespace torchferry
