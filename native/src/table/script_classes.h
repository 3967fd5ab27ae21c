#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "container/zip_archive.h"

namespace torchferry {

/// What the source of a TorchScript archive says of one module class: which of its attributes are parameters, which
/// are buffers. Everything else of the source is ignored; no code is run.
struct ScriptClass {
  std::vector<std::string> parameters;
  std::vector<std::string> buffers;
};

/// By qualified name: "__torch__.torch.nn.modules.conv.___torch_mangle_0.Conv1d".
using ScriptClasses = std::map<std::string, ScriptClass, std::less<>>;

/// Reads the class headers of every `code/….py` record. Throws Error(limit_exceeded) when they inflate beyond
/// Limits::pickle_bytes in all.
ScriptClasses read_script_classes(const ZipArchive& archive, const Limits& limits);

/// Adds the module classes of one source file to `classes`; `module` is "__torch__.a.b" for code/__torch__/a/b.py.
void add_script_classes(std::string_view source, std::string_view module, ScriptClasses& classes);

}  // namespace torchferry
