#pragma once

#include <ATen/core/Tensor.h>
#include <torchferry/save.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "pickle/writer.h"
#include "torch/save_storages.h"

namespace torchferry {

/// As what a tensor is written: one tensor in two forms is two objects in the file.
enum class TensorForm : std::uint8_t {
  plain,          ///< without requires_grad, as in model.state_dict()
  with_gradient,  ///< with its requires_grad; the same as plain where that is false
  parameter,      ///< torch.nn.Parameter
};

/// Writes tensors into a pickle as the rebuild calls that PyTorch itself would write, so that torch.load
/// needs nothing of ours. First `collect` all tensors, then `write` each where it stands.
class TensorPickle {
 public:
  /// Both must outlive it.
  TensorPickle(pickle::Writer& out, const SaveOptions& options)
      : options_(options), storages_(options), out_(out) {}

  /// `location`: what its storages are to be saved with, none for their device. Throws Error(unsupported)
  /// when torch.save has no form for the tensor.
  void collect(const at::Tensor& tensor, const std::optional<std::string>& location);
  /// A tensor that was collected. One that was written before in this form is written again as the same
  /// object.
  pickle::Memo write(const at::Tensor& tensor, TensorForm form);

  /// An empty OrderedDict: the backward_hooks of a tensor, always.
  pickle::Memo write_hooks();
  /// What the records "data/KEY" hold, by key; once all is written.
  const SavedStorages& storages() const noexcept { return storages_; }

 private:
  pickle::Memo write_parameter(const at::Tensor& tensor);
  pickle::Memo write_tensor(const at::Tensor& tensor, bool gradient);
  pickle::Memo write_strided(const at::Tensor& tensor, bool gradient);
  pickle::Memo write_quantized(const at::Tensor& tensor, bool gradient);
  pickle::Memo write_sparse(const at::Tensor& tensor);
  pickle::Memo write_nested(const at::Tensor& tensor);
  pickle::Memo write_meta(const at::Tensor& tensor, bool gradient);
  pickle::Memo write_device_tensor(const at::Tensor& tensor, bool gradient);
  void write_storage(const SavedView& view);
  void write_size(const at::Tensor& tensor);
  void write_layout(c10::Layout layout);
  void write_dtype(c10::ScalarType type);

  const SaveOptions& options_;
  SavedStorages storages_;
  pickle::Writer& out_;
  std::map<std::pair<const c10::TensorImpl*, TensorForm>, pickle::Memo> written_;
  std::map<c10::Layout, pickle::Memo> layouts_;
};

}  // namespace torchferry
