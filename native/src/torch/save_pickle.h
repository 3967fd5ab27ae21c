#pragma once

#include <ATen/core/Tensor.h>
#include <torchferry/save.h>
#include <torchferry/state_dict.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "pickle/writer.h"
#include "torch/save_storages.h"

namespace torchferry {

/// Turns a state dict into the pickle that torch.save writes for it. Each tensor is written as the rebuild
/// call that PyTorch itself would write, so that torch.load needs nothing of ours.
class StateDictPickle {
 public:
  StateDictPickle(const StateDict& state_dict, const SaveOptions& options);

  /// The pickle. Throws Error(unsupported, invalid_argument), naming the tensor.
  std::string write();
  /// What the records "data/KEY" hold, by key; once the pickle is written.
  const SavedStorages& storages() const noexcept { return storages_; }

 private:
  void collect(const at::Tensor& tensor);
  void write_metadata();
  void write_item(std::size_t index);
  pickle::Memo write_parameter(const at::Tensor& tensor);
  pickle::Memo write_tensor(const at::Tensor& tensor);
  pickle::Memo write_strided(const at::Tensor& tensor);
  pickle::Memo write_quantized(const at::Tensor& tensor);
  pickle::Memo write_sparse(const at::Tensor& tensor);
  pickle::Memo write_nested(const at::Tensor& tensor);
  pickle::Memo write_meta(const at::Tensor& tensor);
  pickle::Memo write_device_tensor(const at::Tensor& tensor);
  void write_storage(const SavedView& view);
  void write_size(const at::Tensor& tensor);
  void write_layout(c10::Layout layout);
  void write_dtype(c10::ScalarType type);
  void write_hooks();

  const StateDict& state_dict_;
  const SaveOptions& options_;
  SavedStorages storages_;
  pickle::Writer out_;
  std::map<std::pair<const c10::TensorImpl*, bool>, pickle::Memo>
      written_;  ///< by tensor and "as a parameter"
  std::map<c10::Layout, pickle::Memo> layouts_;
};

}  // namespace torchferry
