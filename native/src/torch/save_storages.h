#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Storage.h>
#include <torchferry/dtype.h>
#include <torchferry/save.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace torchferry {

/// One record "data/KEY" of the file to be: a stretch of a storage, or a tensor that is packed on its way.
struct SavedStorage {
  c10::Storage storage;
  std::uint64_t begin = 0;   ///< first byte of `storage` that is written
  std::uint64_t nbytes = 0;  ///< bytes written
  /// Defined: its elements are written in row-major order, whatever `storage` holds beside them.
  at::Tensor packed;
};

/// How the file names a strided tensor's elements.
struct SavedView {
  std::size_t key;  ///< of the record
  DType dtype;
  bool untyped;                       ///< the storage is written as bytes, the dtype with the tensor
  std::uint64_t storage_numel;        ///< elements of the storage; bytes when it is untyped
  std::string location;               ///< the storage's
  std::int64_t offset;                ///< elements
  std::vector<std::int64_t> strides;  ///< elements
};

/// Which storages a file needs for its tensors, and in what form. First `add` every strided tensor, then ask
/// `view_of` for each in the order of the pickle: keys are numbered as they are first asked for, as
/// torch.save does.
class SavedStorages {
 public:
  explicit SavedStorages(const SaveOptions& options) : options_(options) {}

  /// A strided tensor with a storage, on any device but meta. `location` is the tag that the storage is to be
  /// saved with, empty for its device's; where tensors of one storage differ the first one counts. Throws
  /// Error(unsupported) when its storage does not hold its elements, or torch.save has no form for its dtype.
  void add(const at::Tensor& strided, const std::optional<std::string>& location = {});
  /// Throws Error(unsupported) unless a strided tensor's storage holds all of its elements.
  static void require_elements(const at::Tensor& strided);
  /// A tensor that shows no storage to others: a copy on the CPU of its own is written.
  void add_opaque(const at::Tensor& tensor);

  /// Of a tensor that was added. Throws Error(unsupported) for a quantized tensor among views of other types.
  SavedView view_of(const at::Tensor& added);

  /// By key, all that `view_of` has given so far.
  std::span<const SavedStorage> storages() const noexcept { return numbered_; }

 private:
  /// A tensor's bytes, from its first element to the end of its last one.
  struct Extent {
    std::uint64_t begin, end;
    at::Tensor tensor;
  };
  /// What becomes one record.
  struct Stretch {
    SavedStorage saved;
    bool mixed = false;  ///< tensors of several dtypes view it
    std::size_t key = kUnnumbered;
  };
  struct Source {
    c10::Storage storage;
    std::optional<std::string> location;  ///< asked for by a tensor; none: its device's
    std::vector<Extent> extents;
    std::vector<Stretch>
        stretches;  ///< once settled, in the order of their bytes; unless compact, one over all
    Stretch empty;  ///< compact: for tensors without elements
  };
  /// Two storage objects of one piece of memory, as two loads of one mapped file give, are one source.
  using SourceKey = std::tuple<const void*, std::uint64_t, std::int64_t>;
  static SourceKey key_of(const c10::Storage& storage);
  static constexpr std::size_t kUnnumbered = ~std::size_t{0};

  static Extent extent_of(const at::Tensor& strided);
  void settle(Source& source) const;
  static Stretch stretch_over(const Source& source, std::span<const Extent> extents, std::uint64_t begin,
                              std::uint64_t end);
  static Stretch compact_stretch(const Source& source, std::span<const Extent> extents);
  Stretch& stretch_of(Source& source, const at::Tensor& added) const;
  std::size_t number(Stretch& stretch);
  std::string location_of(const Source& source) const;

  const SaveOptions& options_;
  std::map<SourceKey, Source> sources_;
  std::unordered_map<const c10::TensorImpl*, Stretch> opaque_;
  std::vector<SavedStorage> numbered_;
};

/// The dtype as files name it. Throws Error(unsupported) where there is none.
DType dtype_of(c10::ScalarType type);

/// The location tag that torch.save gives storages of a device.
std::string location_tag(const c10::Device& device);

/// The class of `torch` that torch.save gives storages of a dtype; empty for those that it saves as bytes.
std::string_view storage_class_of(DType dtype) noexcept;

}  // namespace torchferry
