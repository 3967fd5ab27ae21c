#pragma once

#include <torchferry/register_module.h>

#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace torchferry {

/// The modules that can be made by name: the built-in ones, those of the program that this is part of, and those of
/// the shared libraries that were loaded. Any thread.
class ModuleRegistry {
 public:
  static ModuleRegistry& the();

  std::vector<std::string> names();
  /// Throws Error(invalid_argument) that tells what there is.
  std::function<MadeModule(const ModuleConfig&)> maker(const std::string& name);
  std::vector<std::string> load(const std::filesystem::path& path);

 private:
  ModuleRegistry();
  /// All or none. Throws Error(invalid_argument) for a name that is taken.
  void add(const std::vector<RegisteredModule>& modules, const std::string& origin);

  std::mutex mutex_;
  std::map<std::string, RegisteredModule> modules_;
  std::map<const ModuleLibrary*, std::vector<std::string>> libraries_;
};

}  // namespace torchferry
