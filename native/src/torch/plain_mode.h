#pragma once

#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>

namespace torchferry {

/// While it lives, this thread makes ordinary tensors (not inference tensors) and records no gradients,
/// whatever mode the caller is in.
class PlainMode {
  c10::InferenceMode ordinary_{false};
  at::NoGradGuard no_grad_;
};

}  // namespace torchferry
