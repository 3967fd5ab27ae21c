#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace torchferry {

/// The message of Error(limit_exceeded): `what` happened, the limit by its field in Limits with its value, and how it
/// is raised in each language. All messages about limits end so.
std::string over_limit(std::string_view what, std::string_view field, std::uint64_t limit);

}  // namespace torchferry
