#include "table/script_classes.h"

#include <torchferry/error.h>

#include <algorithm>

#include "base/limit_error.h"

namespace torchferry {
namespace {

constexpr std::string_view kFolder = "code/";
constexpr std::string_view kSuffix = ".py";

/// The strings of a list literal: ["weight", "bias", ].
std::vector<std::string> names_in(std::string_view literal) {
  std::vector<std::string> names;
  for (std::size_t open = literal.find('"'); open != std::string_view::npos;) {
    const std::size_t close = literal.find('"', open + 1);
    if (close == std::string_view::npos) break;
    names.emplace_back(literal.substr(open + 1, close - open - 1));
    open = literal.find('"', close + 1);
  }
  return names;
}

}  // namespace

void add_script_classes(std::string_view source, std::string_view module, ScriptClasses& classes) {
  constexpr std::string_view type = "class ", base = "(Module):", parameters = "  __parameters__ = ",
                             buffers = "  __buffers__ = ";
  ScriptClass* current = nullptr;
  while (!source.empty()) {
    const std::size_t end = std::min(source.find('\n'), source.size());
    const std::string_view line = source.substr(0, end);
    source.remove_prefix(std::min(end + 1, source.size()));
    if (line.starts_with(type)) {
      current = nullptr;
      if (!line.ends_with(base)) continue;
      const std::string_view name = line.substr(type.size(), line.size() - type.size() - base.size());
      current = &classes[std::string(module) + "." + std::string(name)];
    } else if (current != nullptr && line.starts_with(parameters)) {
      current->parameters = names_in(line.substr(parameters.size()));
    } else if (current != nullptr && line.starts_with(buffers)) {
      current->buffers = names_in(line.substr(buffers.size()));
    }
  }
}

ScriptClasses read_script_classes(const ZipArchive& archive, const Limits& limits) {
  ScriptClasses classes;
  std::uint64_t left = limits.pickle_bytes;
  const std::size_t root = archive.root().size() + 1;
  for (std::uint32_t i = 0; i < archive.records().size(); ++i) {
    const Record& record = archive.records()[i];
    std::string_view name = record.name.substr(std::min(root, record.name.size()));
    if (!name.starts_with(kFolder) || !name.ends_with(kSuffix)) continue;
    if (record.size > left) {
      throw Error(ErrorCode::limit_exceeded, {}, std::string(record.name), std::nullopt,
                  over_limit("the archive's source code is too long", "pickle_bytes", limits.pickle_bytes));
    }
    const std::vector<std::byte> source = archive.read(i, left, "pickle_bytes", false);
    left -= source.size();
    name.remove_prefix(kFolder.size());
    name.remove_suffix(kSuffix.size());
    std::string module(name);
    std::replace(module.begin(), module.end(), '/', '.');
    add_script_classes({reinterpret_cast<const char*>(source.data()), source.size()}, module, classes);
  }
  return classes;
}

}  // namespace torchferry
