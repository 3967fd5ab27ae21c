#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Storage.h>
#include <torchferry/dtype.h>

#include <map>
#include <unordered_map>
#include <utility>

namespace torchferry {

/// Rebuilds tensors over other storages, whole storages at a time, so that tensors that shared memory share
/// it afterwards, in the same way: each storage is replaced once however many tensors view it, and one tensor
/// object given twice gives one object. Components of quantized, sparse and nested tensors take part. What
/// has nothing to change stays the same object. conj and neg bits and requires_grad are kept; results are
/// leaves.
///
/// One object serves one operation; the tensors given must outlive it. Throws Error.
class Rebuilding {
 public:
  virtual ~Rebuilding() = default;
  at::Tensor operator()(const at::Tensor& tensor);

 protected:
  struct Home {
    c10::Storage storage;
    c10::ScalarType dtype;
  };
  /// Whether a strided tensor stays as it is.
  virtual bool stays(const at::Tensor& strided) const = 0;
  /// What replaces the storage under a strided tensor, in elements that lie at the same indices.
  virtual Home home_of(const at::Tensor& strided) = 0;
  /// For the rare tensor of a backend that shows no storage.
  virtual at::Tensor opaque(const at::Tensor& tensor) = 0;

 private:
  at::Tensor rebuild(const at::Tensor& tensor);
  at::Tensor strided(const at::Tensor& tensor);
  at::Tensor quantized(const at::Tensor& tensor);
  at::Tensor compound(const at::Tensor& tensor);

  std::unordered_map<const c10::TensorImpl*, at::Tensor> done_;
};

/// torch.Tensor.to(device) for any number of tensors: one allocation and one copy for each storage.
class MoveTo final : public Rebuilding {
 public:
  explicit MoveTo(const c10::Device& device) : device_(device) {}

 protected:
  bool stays(const at::Tensor& strided) const override { return strided.device() == device_; }
  Home home_of(const at::Tensor& strided) override;
  at::Tensor opaque(const at::Tensor& tensor) override;

 private:
  c10::Device device_;
  std::unordered_map<const c10::StorageImpl*, c10::Storage> moved_;
};

/// torch.Tensor.to(dtype) for any number of tensors; those that are not floating point stay. Views of one
/// storage that have one dtype stay views of one storage.
class CastTo final : public Rebuilding {
 public:
  explicit CastTo(c10::ScalarType dtype) : dtype_(dtype) {}

 protected:
  bool stays(const at::Tensor& strided) const override;
  Home home_of(const at::Tensor& strided) override;
  at::Tensor opaque(const at::Tensor& tensor) override;

 private:
  c10::ScalarType dtype_;
  std::map<std::pair<const c10::StorageImpl*, c10::ScalarType>, c10::Storage> converted_;
};

/// Throws Error(invalid_argument) for a type that tensors are not cast to.
void require_floating_point(DType dtype);

}  // namespace torchferry
