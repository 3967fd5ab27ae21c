#include "torch/module_registry.h"

#include <dlfcn.h>

#include <cstring>
#include <set>

#include "torch/resnet.h"

namespace torchferry {
namespace {

std::string reason() {
  const char* const text = ::dlerror();
  return text == nullptr ? "the system gave no reason" : text;
}

std::vector<std::string> names_of(const std::vector<RegisteredModule>& modules) {
  std::vector<std::string> names;
  for (const RegisteredModule& module : modules) names.push_back(module.name);
  return names;
}

void require_own(const ModuleLibrary& library, const std::string& file) {
  if (library.layout == kModuleLibraryLayout && library.torch_major == TORCH_VERSION_MAJOR &&
      library.torch_minor == TORCH_VERSION_MINOR &&
      std::strcmp(library.torchferry, kModuleLibraryTorchferry) == 0) {
    return;
  }
  const std::string theirs = library.layout == kModuleLibraryLayout
                                 ? std::string("Torchferry ") + library.torchferry + " and libtorch " +
                                       std::to_string(library.torch_major) + "." + std::to_string(library.torch_minor)
                                 : "a Torchferry of another layout";
  throw Error(ErrorCode::unsupported, file, {}, std::nullopt,
              "compiled for " + theirs + ", but this is Torchferry " + kModuleLibraryTorchferry + " with libtorch " +
                  std::to_string(TORCH_VERSION_MAJOR) + "." + std::to_string(TORCH_VERSION_MINOR) +
                  ": compile it again with the headers of this one");
}

}  // namespace

ModuleRegistry& ModuleRegistry::the() {
  static ModuleRegistry* const registry = new ModuleRegistry;  // never freed: modules may outlive static objects
  return *registry;
}

ModuleRegistry::ModuleRegistry() {
  add(resnets(), "Torchferry");
  add(registering::own_modules(), "this program");
}

void ModuleRegistry::add(const std::vector<RegisteredModule>& modules, const std::string& origin) {
  std::set<std::string> fresh;
  for (const RegisteredModule& module : modules) {
    if (modules_.contains(module.name) || !fresh.insert(module.name).second) {
      throw Error(ErrorCode::invalid_argument,
                  origin + " registers a module named '" + module.name + "', and there is one already");
    }
  }
  for (const RegisteredModule& module : modules) modules_.emplace(module.name, module);
}

std::vector<std::string> ModuleRegistry::names() {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, module] : modules_) names.push_back(name);
  return names;
}

std::function<MadeModule(const ModuleConfig&)> ModuleRegistry::maker(const std::string& name) {
  const std::scoped_lock lock(mutex_);
  const auto found = modules_.find(name);
  if (found != modules_.end()) return found->second.make;
  std::string known;
  for (const auto& [one, module] : modules_) known += (known.empty() ? "" : ", ") + one;
  throw Error(ErrorCode::invalid_argument, "no module is named '" + name + "'; there are: " + known);
}

std::vector<std::string> ModuleRegistry::load(const std::filesystem::path& path) {
  const std::string file = path.string();
  const std::scoped_lock lock(mutex_);
  void* const handle = ::dlopen(std::filesystem::absolute(path).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw Error(ErrorCode::io, file, {}, std::nullopt, reason());
  using Entry = const ModuleLibrary* (*)();
  const auto entry = reinterpret_cast<Entry>(::dlsym(handle, "torchferry_module_library"));
  if (entry == nullptr) {
    ::dlclose(handle);
    throw Error(ErrorCode::invalid_argument, file, {}, std::nullopt,
                "registers no module: use TORCHFERRY_REGISTER_MODULE of torchferry/register_module.h");
  }
  const ModuleLibrary& library = *entry();
  const auto known = libraries_.find(&library);
  if (known != libraries_.end()) return known->second;
  // From here on it stays loaded, also when it is refused: it may have registered things with libtorch.
  require_own(library, file);
  if (library.modules->empty()) {
    throw Error(ErrorCode::invalid_argument, file, {}, std::nullopt, "registers no module");
  }
  add(*library.modules, file);
  return libraries_.emplace(&library, names_of(*library.modules)).first->second;
}

}  // namespace torchferry
