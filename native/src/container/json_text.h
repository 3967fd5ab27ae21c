#pragma once

#include <string>
#include <string_view>

namespace torchferry {

/// Appends `text`, which must be strict UTF-8, as a JSON string: escaped where JSON has to be and nowhere else,
/// which is what safetensors' own writer does.
void append_json_string(std::string& out, std::string_view text);

}  // namespace torchferry
