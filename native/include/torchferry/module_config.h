#pragma once

#include <torchferry/error.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>

namespace torchferry {

/// Options of a module that is made by its name. A factory asks for the ones it has, each with its default; what
/// nobody asked for is refused afterwards, so that a misspelt option is not ignored.
class ModuleConfig {
 public:
  using Value = std::variant<bool, std::int64_t, double, std::string>;

  ModuleConfig() = default;
  explicit ModuleConfig(std::map<std::string, Value> values) : values_(std::move(values)) {}

  bool boolean(const std::string& name, bool otherwise) const { return get<bool>(name, otherwise, "a bool"); }
  std::int64_t integer(const std::string& name, std::int64_t otherwise) const {
    return get<std::int64_t>(name, otherwise, "an integer");
  }
  double real(const std::string& name, double otherwise) const { return get<double>(name, otherwise, "a float"); }
  std::string text(const std::string& name, std::string otherwise) const {
    return get<std::string>(name, std::move(otherwise), "a string");
  }

  /// Whether initial weights are to be drawn: the option "init", by default true unless the module is made on the meta
  /// device.
  bool initialises() const { return boolean("init", initialises_); }
  ModuleConfig without_weights() const {
    ModuleConfig other(values_);
    other.initialises_ = false;
    return other;
  }

  /// Throws Error(invalid_argument) when there is an option that nobody asked for.
  void require_all_used(const std::string& module) const {
    for (const auto& [name, value] : values_) {
      if (asked_.contains(name)) continue;
      std::string known;
      for (const auto& [one, unused] : asked_) known += (known.empty() ? "" : ", ") + one;
      throw Error(ErrorCode::invalid_argument, module + " has no option '" + name + "'; it has: " +
                                                   (known.empty() ? "none" : known));
    }
  }

 private:
  template <class Type>
  Type get(const std::string& name, Type otherwise, const char* kind) const {
    asked_.emplace(name, true);
    const auto found = values_.find(name);
    if (found == values_.end()) return otherwise;
    if (const auto* value = std::get_if<Type>(&found->second)) return *value;
    throw Error(ErrorCode::invalid_argument, "the option '" + name + "' must be " + kind);
  }

  std::map<std::string, Value> values_;
  mutable std::map<std::string, bool> asked_;
  bool initialises_ = true;
};

}  // namespace torchferry
