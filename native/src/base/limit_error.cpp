#include "base/limit_error.h"

namespace torchferry {
namespace {

/// "pickle_bytes" as the Java record names its method: "withPickleBytes".
std::string wither(std::string_view field) {
  std::string name = "with";
  bool upper = true;
  for (const char c : field) {
    if (c != '_') name += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    upper = c == '_';
  }
  return name;
}

}  // namespace

std::string over_limit(std::string_view what, std::string_view field, std::uint64_t limit) {
  const std::string name(field);
  return std::string(what) + ": over the limit " + name + " = " + std::to_string(limit) +
         ". If the file can be trusted, raise it: Limits." + wither(field) + " in Java, Limits::" + name +
         " in C++, --limit " + name + "=N on the command line";
}

}  // namespace torchferry
