#include "pack_index.h"

#include <torchferry/devices.h>
#include <torchferry/dtype.h>

#include <vector>

#include "pack.h"

namespace torchferry::jni {
namespace {

constexpr std::size_t kRowBytes = 48;

// The flags of io.torchferry.TensorIndex.
enum Flag : std::uint8_t { kRequiresGrad = 1, kParameter = 2, kContiguous = 4, kPlain = 8, kLazyBits = 16 };

Layout layout_of(const at::Tensor& tensor) {
  if (tensor.is_nested()) return Layout::nested;
  switch (tensor.layout()) {
    case c10::kSparse: return Layout::sparse_coo;
    case c10::kSparseCsr: return Layout::sparse_csr;
    case c10::kSparseCsc: return Layout::sparse_csc;
    case c10::kSparseBsr: return Layout::sparse_bsr;
    case c10::kSparseBsc: return Layout::sparse_bsc;
    default: return Layout::strided;
  }
}

class IndexPacking {
 public:
  std::string pack(const StateDict& dict) {
    rows_.reserve(dict.size() * kRowBytes);
    for (std::size_t i = 0; i < dict.size(); ++i) row(dict.tensor(i), dict.is_parameter(i));
    PackWriter out;
    out.reserve(rows_.bytes().size() + dims_.size() * sizeof(std::int64_t) + 32 * dict.size());
    out.count(dict.size());
    out.i64(static_cast<std::int64_t>(dims_.size()));
    out.raw(rows_.bytes().data(), rows_.bytes().size());
    out.raw(dims_.data(), dims_.size() * sizeof(std::int64_t));
    out.names(dict.size(), [&](std::size_t i) { return dict.key(i); });
    out.names(device_names_);
    return out.bytes();
  }

 private:
  void row(const at::Tensor& tensor, bool parameter) {
    const Layout layout = layout_of(tensor);
    const bool strided = layout == Layout::strided;
    const bool lazy = tensor.is_conj() || tensor.is_neg();
    rows_.u8(static_cast<std::uint8_t>(tensor.scalar_type()));
    rows_.u8(static_cast<std::uint8_t>(layout));
    rows_.u8(static_cast<std::uint8_t>(
        (tensor.requires_grad() ? kRequiresGrad : 0) | (parameter ? kParameter : 0) |
        (strided && tensor.is_contiguous() ? kContiguous : 0) | (is_plain(tensor) ? kPlain : 0) |
        (lazy ? kLazyBits : 0)));
    rows_.u8(0);
    rows_.i32(device(tensor.device()));
    rows_.count(static_cast<std::size_t>(tensor.dim()));
    rows_.count(dims_.size());
    rows_.i64(strided ? tensor.storage_offset() : 0);
    rows_.i64(tensor.numel());
    rows_.i64(static_cast<std::int64_t>(element_bytes(tensor)));
    const void* const storage =
        strided && tensor.has_storage() ? tensor.storage().unsafeGetStorageImpl() : nullptr;
    rows_.i64(static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(storage)));
    dims(tensor, layout);
  }

  /// A nested tensor has one size, and others that differ from part to part: -1.
  void dims(const at::Tensor& tensor, Layout layout) {
    if (layout == Layout::nested) {
      for (std::int64_t i = 0; i < tensor.dim(); ++i) dims_.push_back(i == 0 ? tensor.size(0) : -1);
      return;
    }
    for (const std::int64_t size : tensor.sizes()) dims_.push_back(size);
    if (layout != Layout::strided) return;
    for (const std::int64_t stride : tensor.strides()) dims_.push_back(stride);
  }

  /// The number of a device in `device_names_`; mostly the one before.
  std::int32_t device(const c10::Device& device) {
    for (std::size_t i = devices_.size(); i > 0; --i) {
      if (devices_[i - 1] == device) return static_cast<std::int32_t>(i - 1);
    }
    devices_.push_back(device);
    device_names_.push_back(from_c10(device).str());
    return static_cast<std::int32_t>(devices_.size() - 1);
  }

  PackWriter rows_;
  std::vector<std::int64_t> dims_;
  std::vector<c10::Device> devices_;
  std::vector<std::string> device_names_;
};

}  // namespace

bool is_plain(const at::Tensor& tensor) {
  return tensor.device().is_cpu() && tensor.layout() == c10::kStrided && !tensor.is_nested() &&
         tensor.has_storage() && tensor.is_contiguous() && !tensor.is_conj() && !tensor.is_neg();
}

std::uint64_t element_bytes(const at::Tensor& tensor) {
  const auto dtype = dtype_numbered(static_cast<int>(tensor.scalar_type()));
  const std::uint64_t per_item = dtype ? elements_per_item(*dtype) : 1;
  return (static_cast<std::uint64_t>(tensor.numel()) + per_item - 1) / per_item * tensor.element_size();
}

std::string packed_index(const StateDict& dict) { return IndexPacking().pack(dict); }

}  // namespace torchferry::jni
