#pragma once

#include <torchferry/value.h>

#include <string>

namespace torchferry::fuzz {

/// A value as text. What is reached again is named by a number, so the text is as long as the content is large, however
/// often its parts are listed.
std::string value_text(const Value& value);

}  // namespace torchferry::fuzz
