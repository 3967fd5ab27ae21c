// Checks on a real device what the suites prove on the fake one: loads files onto it in every way there is and compares
// every element with a load to the CPU. Prints one line a check; exit status 1 when one fails.

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <torchferry/error.h>
#include <torchferry/staging.h>
#include <torchferry/state_dict.h>

#include <cstring>
#include <iostream>
#include <map>
#include <optional>

#include "device/arguments.h"

namespace torchferry::device_test {
namespace {

/// Thrown where something is not as it must be.
struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void require(bool holds, const std::string& what) {
  if (!holds) throw Wrong(what);
}

/// The elements of a tensor of any kind in host memory; none for kinds that have no one row of elements.
std::optional<at::Tensor> elements(const at::Tensor& tensor) {
  if (tensor.is_nested() || tensor.layout() != c10::kStrided || tensor.is_meta()) return std::nullopt;
  at::Tensor here = tensor.detach().cpu();
  if (here.is_quantized()) return here.is_non_overlapping_and_dense() ? std::optional(here) : std::nullopt;
  return here.resolve_conj().resolve_neg().contiguous();
}

void require_equal(const at::Tensor& a, const at::Tensor& b, std::string_view key) {
  const std::string name(key);
  require(a.scalar_type() == b.scalar_type(), name + ": another dtype");
  require(a.is_nested() || a.sizes() == b.sizes(), name + ": other sizes");
  const auto x = elements(a);
  const auto y = elements(b);
  if (!x || !y) return;
  require(x->nbytes() == y->nbytes() && std::memcmp(x->const_data_ptr(), y->const_data_ptr(), x->nbytes()) == 0,
          name + ": other elements");
}

bool has_plain_storage(const at::Tensor& tensor) {
  return !tensor.is_nested() && tensor.layout() == c10::kStrided && tensor.has_storage();
}

/// Names of one storage before are names of one storage after.
void require_sharing(const StateDict& here, const StateDict& there) {
  std::map<const void*, const void*> pairs;
  for (std::size_t i = 0; i < here.size(); ++i) {
    if (!has_plain_storage(here.tensor(i)) || !has_plain_storage(there.tensor(i))) continue;
    const void* const before = here.tensor(i).storage().unsafeGetStorageImpl();
    const void* const after = there.tensor(i).storage().unsafeGetStorageImpl();
    require(pairs.emplace(before, after).first->second == after, std::string(here.key(i)) + ": lost its sharers");
  }
}

void require_on(const StateDict& dict, const Device& device) {
  for (std::size_t i = 0; i < dict.size(); ++i) {
    if (dict.tensor(i).is_meta()) continue;
    require(from_c10(dict.tensor(i).device()) == device, std::string(dict.key(i)) + ": on another device");
  }
}

class Checks {
 public:
  explicit Checks(const Arguments& arguments) : arguments_(arguments) {}

  void run() {
    for (const auto& file : arguments_.rest) {
      for (const DeviceMemory memory : {DeviceMemory::slab, DeviceMemory::per_storage}) {
        const std::string how = memory == DeviceMemory::slab ? "slab" : "per storage";
        check(file.filename().string() + ", " + how, [&] { loads_alike(file, memory); });
      }
      check(file.filename().string() + ", moved there and back", [&] { moves(file); });
      check(file.filename().string() + ", remapped by saved location", [&] { remaps(file); });
    }
    check("a device that is not there is refused", [&] { refuses_missing_device(); });
  }

  int failures() const { return failures_; }

 private:
  template <class Action>
  void check(const std::string& name, Action action) {
    try {
      action();
      std::cout << "ok    " << name << std::endl;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unsupported) return fail(name, error);
      std::cout << "none  " << name << ": the backend can build no tensor of it: " << error.message() << std::endl;
    } catch (const std::exception& error) {
      fail(name, error);
    }
  }

  void fail(const std::string& name, const std::exception& error) {
    ++failures_;
    std::cout << "FAIL  " << name << ": " << error.what() << std::endl;
  }

  LoadOptions options(const Device& device) const {
    LoadOptions options;
    options.map_location = MapLocation::to(device);
    return options;
  }

  void loads_alike(const std::filesystem::path& file, DeviceMemory memory) const {
    const Checkpoint checkpoint = Checkpoint::open(file);
    const StateDict here = StateDict::load(checkpoint, options(Device::cpu()));
    LoadOptions to_device = options(arguments_.device);
    to_device.device_memory = memory;
    const StateDict there = StateDict::load(checkpoint, to_device);
    require_on(there, arguments_.device);
    std::size_t compared = 0;
    for (std::size_t i = 0; i < there.size(); ++i) {
      const auto same = here.find(there.key(i));
      require(same.has_value(), "a name more than on the CPU");
      require_equal(here.tensor(*same), there.tensor(i), there.key(i));
      ++compared;
    }
    require(compared + there.report().skipped.size() == here.size() + here.report().skipped.size(),
            "tensors are missing");
    for (const auto& [key, reason] : there.report().skipped) std::cout << "      left out " << key << ": " << reason << "\n";
    if (here.size() == there.size()) require_sharing(here, there);
  }

  void moves(const std::filesystem::path& file) const {
    const Checkpoint checkpoint = Checkpoint::open(file);
    const StateDict here = StateDict::load(checkpoint, options(Device::cpu()));
    const StateDict loadable = StateDict::load(checkpoint, options(arguments_.device));
    std::vector<std::size_t> movable;
    for (std::size_t i = 0; i < here.size(); ++i) {
      const bool plain = has_plain_storage(here.tensor(i)) && !here.tensor(i).is_meta();
      if (plain && loadable.find(here.key(i))) movable.push_back(i);
    }
    const StateDict some = here.select(movable);
    const StateDict there = some.to(arguments_.device);
    require_on(there, arguments_.device);
    const StateDict back = there.to(Device::cpu());
    for (std::size_t i = 0; i < some.size(); ++i) require_equal(some.tensor(i), back.tensor(i), some.key(i));
    require_sharing(some, back);
  }

  void remaps(const std::filesystem::path& file) const {
    const Checkpoint checkpoint = Checkpoint::open(file);
    std::map<std::string, Device> devices;
    for (const std::string& location : checkpoint.table().locations()) {
      if (location != "meta") devices.emplace(location, arguments_.device);
    }
    LoadOptions remapped;
    remapped.map_location = MapLocation::remap(devices);
    require_on(StateDict::load(checkpoint, remapped), arguments_.device);
  }

  void refuses_missing_device() const {
    try {
      StateDict::load(Checkpoint::open(arguments_.rest.at(0)), options({arguments_.device.type, 99}));
    } catch (const Error& error) {
      require(error.code() == ErrorCode::device_unavailable, error.what());
      return;
    }
    throw Wrong("device 99 was accepted");
  }

  const Arguments& arguments_;
  int failures_ = 0;
};

int check(int count, char** values) {
  const Arguments arguments(count, values);
  if (arguments.rest.empty()) throw std::runtime_error("no file to check with");
  Checks checks(arguments);
  checks.run();
  const StagingStatus staging = staging_status();
  std::cout << (checks.failures() == 0 ? "all checks passed" : "checks FAILED") << " on " << arguments.device.str()
            << "; staging " << staging.allocated << " bytes, " << staging.pinned << " of them page-locked\n";
  return checks.failures() == 0 && staging.in_use == 0 ? 0 : 1;
}

}  // namespace
}  // namespace torchferry::device_test

int main(int count, char** values) {
  try {
    return torchferry::device_test::check(count, values);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
