#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace torchferry {

/// A device as torch names it. `index` -1 means "the current one" of its type, as in torch.device("cuda").
struct Device {
  std::string type = "cpu";  ///< "cpu", "cuda", "mps", "xpu", "hpu", "mtia", "meta", "privateuseone" or its new name
  int index = -1;

  static Device cpu() { return {}; }
  static Device meta() { return {"meta", -1}; }

  /// Parses "cuda", "cuda:1", "cpu:0". Throws Error(invalid_argument) in torch's words ("Invalid device string: …").
  static Device parse(std::string_view text);

  bool is_cpu() const noexcept { return type == "cpu"; }
  bool is_meta() const noexcept { return type == "meta"; }
  /// "cuda:1", or "cuda" without an index.
  std::string str() const;

  auto operator<=>(const Device&) const = default;
};

}  // namespace torchferry
