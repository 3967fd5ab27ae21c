// What AOTInductor would compile of a small model, written by hand: the C functions of a .pt2 package's
// library.
//
//   def forward(x):  # x: [n, 2]
//     return x @ self.body.scale + self.shift - self.norm.running_mean + constant([10, 20, 30])
//
// As in compiled code, constants have a dtype and strides of their own (body.scale is a transposed [2, 3],
// shift is float16), something is computed from them before the first run, and failures are codes with a
// text. WITHOUT_CONSTANTS: as packages with package_constants_in_so=False are. NEEDS_ANOTHER_LIBTORCH: it
// calls a function that is not there.

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <torch/csrc/inductor/aoti_runtime/interface.h>

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

using Handle = AOTInductorModelContainerHandle;
using Map = AOTInductorConstantMapHandle;

namespace {

enum class ConstantType : std::int32_t { Parameter = 1, Buffer = 2, TensorConstant = 3, FoldedConstant = 4 };

struct Described {
  const char* name;
  const char* key;
  ConstantType type;
  bool folded;
};

constexpr std::array<Described, 6> kConstants{{
    {"body_scale", "body.scale", ConstantType::Parameter, false},
    {"shift", "shift", ConstantType::Parameter, false},
    {"norm_running_mean", "norm.running_mean", ConstantType::Buffer, false},
    {"norm_running_var", "norm.running_var", ConstantType::Buffer, false},
    {"_tensor_constant0", "_tensor_constant0", ConstantType::TensorConstant, false},
    {"_FOLDED_CONST_scale", "", ConstantType::FoldedConstant, true},
}};

struct Container {
  std::array<at::Tensor, 5> own{at::empty_strided({2, 3}, {1, 2}, at::kFloat).fill_(1), at::full({3}, 0.5, at::kHalf),
                                at::full({3}, 0.0), at::full({3}, 1.0), at::tensor({10.0F, 20.0F, 30.0F})};
  std::array<at::Tensor*, 5> used{&own[0], &own[1], &own[2], &own[3], &own[4]};
  at::Tensor folded;
  std::mutex mutex;  ///< of `folded`
};

thread_local std::string last_error;

Container& container_of(Handle handle) { return *reinterpret_cast<Container*>(handle); }
at::Tensor& tensor_of(AtenTensorHandle handle) { return *reinterpret_cast<at::Tensor*>(handle); }
AtenTensorHandle handle_of(at::Tensor* tensor) { return reinterpret_cast<AtenTensorHandle>(tensor); }

template <class Work>
AOTIRuntimeError answered(Work work) {
  try {
    last_error.clear();
    work();
    return AOTI_RUNTIME_SUCCESS;
  } catch (const std::exception& error) {
    last_error = error.what();
    return AOTI_RUNTIME_FAILURE;
  }
}

void update(Container& container, Map handle, bool keep) {
  const auto& given = *reinterpret_cast<std::unordered_map<std::string, AtenTensorHandle>*>(handle);
  container.folded.reset();
  for (std::size_t i = 0; i < container.own.size(); ++i) {
    const auto found = given.find(kConstants[i].name);
    if (found == given.end()) continue;
    if (keep) {
      container.used[i] = &tensor_of(found->second);
    } else {
      container.own[i].copy_(tensor_of(found->second));
    }
  }
}

at::Tensor run(Container& container, const at::Tensor& x) {
  if (x.dim() != 2 || x.size(1) != 2) throw std::runtime_error("input_handles[0]: unmatched dim value at 1");
  const std::scoped_lock lock(container.mutex);
  if (!container.folded.defined()) container.folded = container.used[0]->clone();
  const at::Tensor shifted = x.matmul(container.folded).add(container.used[1]->to(at::kFloat));
  return shifted.sub(*container.used[2]).add(*container.used[4]);
}

}  // namespace

#define EXPORTED __attribute__((visibility("default")))

extern "C" {

#if defined(NEEDS_ANOTHER_LIBTORCH)
void aoti_torch_of_another_libtorch();
#endif

EXPORTED AOTIRuntimeError AOTInductorModelContainerCreateWithDevice(Handle* handle, size_t, const char*,
                                                           const char*) {
#if defined(NEEDS_ANOTHER_LIBTORCH)
  aoti_torch_of_another_libtorch();
#endif
  return answered([&] { *handle = reinterpret_cast<Handle>(new Container); });
}

EXPORTED AOTIRuntimeError AOTInductorModelContainerDelete(Handle handle) {
  return answered([&] { delete &container_of(handle); });
}

EXPORTED AOTIRuntimeError AOTInductorModelContainerGetNumOutputs(Handle, size_t* count) {
  return answered([&] { *count = 1; });
}

EXPORTED AOTIRuntimeError AOTInductorModelContainerRun(Handle handle, AtenTensorHandle* inputs,
                                              size_t count, AtenTensorHandle* outputs, size_t, AOTInductorStreamHandle,
                                              AOTIProxyExecutorHandle) {
  std::vector<std::unique_ptr<at::Tensor>> taken;
  for (size_t i = 0; i < count; ++i) taken.emplace_back(&tensor_of(inputs[i]));
  return answered([&] {
    if (count != 1) throw std::runtime_error("expected inputs vector size to be 1, but got " + std::to_string(count));
    outputs[0] = handle_of(new at::Tensor(run(container_of(handle), *taken[0])));
  });
}

EXPORTED AOTIRuntimeError AOTInductorModelContainerGetNumConstants(Handle, size_t* count) {
  return answered([&] { *count = kConstants.size(); });
}

EXPORTED AOTIRuntimeError AOTInductorModelContainerGetConstantName(Handle, size_t i, const char** name) {
  return answered([&] { *name = kConstants.at(i).name; });
}

EXPORTED AOTIRuntimeError AOTInductorModelContainerGetConstantOriginalFQN(Handle, size_t i,
                                                                 const char** key) {
  return answered([&] { *key = kConstants.at(i).key; });
}

EXPORTED AOTIRuntimeError AOTInductorModelContainerGetConstantFromFolded(Handle, size_t i,
                                                                bool* folded) {
  return answered([&] { *folded = kConstants.at(i).folded; });
}

EXPORTED AOTIRuntimeError AOTInductorModelContainerGetConstantType(Handle, size_t i, int32_t* type) {
  return answered([&] { *type = static_cast<std::int32_t>(kConstants.at(i).type); });
}

EXPORTED AOTIRuntimeError AOTInductorModelContainerGetConstantDtype(Handle handle, size_t i,
                                                           int32_t* dtype) {
  return answered([&] { *dtype = static_cast<int32_t>(container_of(handle).own.at(i).scalar_type()); });
}

EXPORTED AOTIRuntimeError AOTInductorModelContainerExtractConstantsMap([[maybe_unused]] Handle handle,
                                                              [[maybe_unused]] Map map, bool) {
  return answered([&] {
#if !defined(WITHOUT_CONSTANTS)
    auto& constants = *reinterpret_cast<std::unordered_map<std::string, AtenTensorHandle>*>(map);
    for (std::size_t i = 0; i < container_of(handle).used.size(); ++i) {
      constants.emplace(kConstants[i].key, handle_of(container_of(handle).used[i]));
    }
#endif
  });
}

EXPORTED AOTIRuntimeError AOTInductorModelContainerUpdateConstantBuffer(Handle handle,
                                                               Map map, bool, bool) {
  return answered([&] { update(container_of(handle), map, false); });
}

EXPORTED AOTIRuntimeError AOTInductorModelContainerUpdateUserManagedConstantBuffer(Handle handle,
                                                                          Map map, bool,
                                                                          bool) {
  return answered([&] { update(container_of(handle), map, true); });
}

EXPORTED AOTIRuntimeError AOTInductorModelContainerUpdateInactiveConstantBuffer(Handle,
                                                                       Map) {
  return AOTI_RUNTIME_FAILURE;
}

EXPORTED AOTIRuntimeError AOTInductorModelContainerRunConstantFolding(Handle, bool,
                                                             AOTInductorStreamHandle, AOTIProxyExecutorHandle) {
  return AOTI_RUNTIME_FAILURE;
}

EXPORTED AOTIRuntimeError AOTInductorModelContainerSwapConstantBuffer(Handle) {
  return AOTI_RUNTIME_FAILURE;
}

EXPORTED AOTIRuntimeError AOTInductorModelContainerGetCallSpec(Handle, const char** in,
                                                      const char** out) {
  return answered([&] { *in = *out = ""; });
}

EXPORTED AOTIRuntimeError AOTInductorGetLastError(const char** text) {
  *text = last_error.c_str();
  return AOTI_RUNTIME_SUCCESS;
}

}  // extern "C"
