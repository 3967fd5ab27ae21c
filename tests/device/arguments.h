#pragma once

#include <dlfcn.h>
#include <torchferry/devices.h>
#include <torchferry/plan.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace torchferry::device_test {

/// PROGRAM DEVICE [--library FILE]… REST…: libraries (a backend's, or the fake accelerator's) are loaded first.
struct Arguments {
  Device device = Device::cpu();
  std::vector<std::filesystem::path> rest;
  std::vector<void*> libraries;

  Arguments(int count, char** values) {
    std::string name;
    for (int i = 1; i < count; ++i) {
      const std::string value = values[i];
      if (value == "--library" && i + 1 < count) {
        libraries.push_back(::dlopen(values[++i], RTLD_NOW | RTLD_GLOBAL));
        if (libraries.back() == nullptr) throw std::runtime_error(::dlerror());
      } else if (name.empty()) {
        name = value;
      } else {
        rest.emplace_back(value);
      }
    }
    if (name.empty()) throw std::runtime_error("usage: PROGRAM DEVICE [--library FILE] FILE...");
    device = require_device(Device::parse(name));
  }

  /// A function of the libraries; null where none has it.
  template <class Function>
  Function* find(const char* name) const {
    for (void* const library : libraries) {
      if (void* const found = ::dlsym(library, name)) return reinterpret_cast<Function*>(found);
    }
    return nullptr;
  }
};

}  // namespace torchferry::device_test
