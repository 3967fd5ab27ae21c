#include <torchferry/handles.h>

#include <torch/version.h>
#include <torchferry/error.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace torchferry {
namespace {

constexpr std::uint64_t kStateDict = 0x7463'6964'6574'6174;
constexpr std::uint64_t kTaken = 0x6e65'6b61'7420'7369;
constexpr std::uint32_t kLayout = 1;

/// What a handle points to. The three numbers come first and in every layout; the rest is of standard and libtorch
/// types only, so that another build of this library can read it.
struct Shared {
  std::uint64_t kind = kStateDict;
  std::uint32_t layout = kLayout;
  std::uint32_t torch = TORCH_VERSION_MAJOR * 1000 + TORCH_VERSION_MINOR;
  std::vector<std::pair<std::string, at::Tensor>> items{};
  std::vector<bool> parameters{};
  std::optional<std::vector<std::pair<std::string, std::int64_t>>> versions{};
};

Shared& shared_at(std::int64_t handle) {
  if (handle == 0 || static_cast<std::uint64_t>(handle) % alignof(Shared) != 0) {
    throw Error(ErrorCode::invalid_argument, "not a handle on a state dict");
  }
  auto& shared = *reinterpret_cast<Shared*>(static_cast<std::intptr_t>(handle));
  if (shared.kind == kTaken) {
    throw Error(ErrorCode::invalid_argument, "this handle was taken or released before; it is good for once");
  }
  if (shared.kind != kStateDict) throw Error(ErrorCode::invalid_argument, "not a handle on a state dict");
  if (shared.layout != kLayout || shared.torch != Shared().torch) {
    throw Error(ErrorCode::unsupported, "the handle was made by a Torchferry with libtorch " +
                                            std::to_string(shared.torch / 1000) + "." +
                                            std::to_string(shared.torch % 1000) + ", handle layout " +
                                            std::to_string(shared.layout) + "; both sides must be built alike");
  }
  return shared;
}

std::unique_ptr<Shared> owned(std::int64_t handle) {
  Shared& shared = shared_at(handle);
  shared.kind = kTaken;
  return std::unique_ptr<Shared>(&shared);
}

}  // namespace

std::int64_t share(const StateDict& dict) {
  auto shared = std::make_unique<Shared>();
  for (std::size_t i = 0; i < dict.size(); ++i) {
    shared->items.emplace_back(dict.key(i), dict.tensor(i));
    shared->parameters.push_back(dict.is_parameter(i));
  }
  if (dict.has_metadata()) shared->versions = dict.versions();
  return static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(shared.release()));
}

StateDict take(std::int64_t handle) {
  const std::unique_ptr<Shared> shared = owned(handle);
  std::vector<std::size_t> all(shared->items.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  StateDict dict = StateDict::of(std::move(shared->items), std::move(shared->parameters));
  return shared->versions ? dict.select(all, {}, std::move(shared->versions)) : dict;
}

void release(std::int64_t handle) { owned(handle); }

}  // namespace torchferry
