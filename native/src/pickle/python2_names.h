#pragma once

#include <string_view>

namespace torchferry::pickle {

struct GlobalName {
  std::string_view module;
  std::string_view name;
};

/// What Python 3 calls something that Python 2 called `written`, as pickles of protocols 0 to 2 do even when
/// Python 3 wrote them; `written` itself where nothing changed.
GlobalName python3_name(GlobalName written) noexcept;

/// Where torch keeps today what pickles of any protocol name by an older module: "torch.tensor" is
/// "torch._tensor".
GlobalName current_torch_name(GlobalName written) noexcept;

}  // namespace torchferry::pickle
