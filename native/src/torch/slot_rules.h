#pragma once

#include <ATen/core/Tensor.h>
#include <torchferry/load_state_dict.h>

#include <map>
#include <string>
#include <tuple>

namespace torchferry {

/// Decides whether a slot can take a tensor, without trying it on either. One object serves one load.
class SlotRules {
 public:
  /// Why to.copy_(from) would fail, in libtorch's words; "" when it does not. Sizes are equal.
  std::string copy_refusal(const at::Tensor& to, const at::Tensor& from);
  /// Why `from` cannot take the slot's place; "" when it can.
  std::string assign_refusal(const Slot& slot, const at::Tensor& from) const;

 private:
  /// Whether libtorch converts one element type to another is found out on a single element.
  const std::string& conversion_refusal(const at::Tensor& to, const at::Tensor& from);

  std::map<std::tuple<c10::ScalarType, c10::ScalarType>, std::string> conversions_;
};

/// "torch.Size([2, 3])".
std::string size_text(const at::Tensor& tensor);

/// PyTorch's text for a tensor that could not be taken because of `reason`.
std::string copy_failure(const std::string& key, const at::Tensor& to, const at::Tensor& from,
                         const std::string& reason);

/// Lets a tensor object take another's memory, type, device and geometry, keeping requires_grad, so that every
/// handle on it sees them. Both are strided tensors with a storage.
void take_over(const at::Tensor& to, const at::Tensor& from);

}  // namespace torchferry
