#include "pickle/python2_names.h"

namespace torchferry::pickle {
namespace {

struct Moved {
  std::string_view old_name;
  GlobalName now;
};

/// Of Python 2's `__builtin__`.
constexpr Moved kBuiltins[] = {
    {"basestring", {"builtins", "str"}},
    {"intern", {"sys", "intern"}},
    {"long", {"builtins", "int"}},
    {"reduce", {"functools", "reduce"}},
    {"unichr", {"builtins", "chr"}},
    {"unicode", {"builtins", "str"}},
    {"xrange", {"builtins", "range"}},
};

struct MovedModule {
  std::string_view old_name;
  std::string_view now;
};

constexpr MovedModule kModules[] = {
    {"__builtin__", "builtins"}, {"copy_reg", "copyreg"}, {"exceptions", "builtins"}, {"Queue", "queue"},
};

}  // namespace

GlobalName python3_name(GlobalName written) noexcept {
  if (written.module == "__builtin__") {
    for (const Moved& moved : kBuiltins) {
      if (moved.old_name == written.name) return moved.now;
    }
  }
  for (const MovedModule& module : kModules) {
    if (module.old_name == written.module) return {module.now, written.name};
  }
  return written;
}

GlobalName current_torch_name(GlobalName written) noexcept {
  if (written.module == "torch.tensor") return {"torch._tensor", written.name};
  return written;
}

}  // namespace torchferry::pickle
