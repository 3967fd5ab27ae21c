#include "torch/save_storages.h"

#include <torchferry/devices.h>
#include <torchferry/error.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/checked.h"
#include "torch/storage_stream.h"

namespace torchferry {
namespace {

/// Stretches whose views differ in dtype begin at multiples of the largest item, so that every offset stays
/// whole.
constexpr std::uint64_t kLargestItem = 16;

DType dtype_of(const at::Tensor& tensor) { return torchferry::dtype_of(tensor.scalar_type()); }

/// Elements from the tensor's first one to its last one; empty when that does not fit 64 bits.
std::optional<std::uint64_t> reach(const at::Tensor& strided) {
  std::optional<std::uint64_t> elements = 1;
  for (std::int64_t i = 0; elements && i < strided.dim(); ++i) {
    const auto steps = checked_mul(static_cast<std::uint64_t>(strided.size(i) - 1),
                                   static_cast<std::uint64_t>(strided.stride(i)));
    elements = steps ? checked_add(*elements, *steps) : std::nullopt;
  }
  return elements;
}

std::vector<std::int64_t> contiguous_strides(c10::IntArrayRef sizes) {
  std::vector<std::int64_t> strides(sizes.size());
  std::int64_t stride = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= std::max<std::int64_t>(sizes[i], 1);
  }
  return strides;
}

bool same_geometry(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.storage_offset() == b.storage_offset() &&
         a.sizes().equals(b.sizes()) && a.strides().equals(b.strides());
}

}  // namespace

DType dtype_of(c10::ScalarType type) {
  if (const auto dtype = dtype_numbered(static_cast<int>(type))) return *dtype;
  throw Error(ErrorCode::unsupported,
              std::string("torch.save has no form for the type ") + c10::toString(type));
}

std::string_view storage_class_of(DType dtype) noexcept {
  switch (dtype) {
    case DType::uint8: return "ByteStorage";
    case DType::int8: return "CharStorage";
    case DType::int16: return "ShortStorage";
    case DType::int32: return "IntStorage";
    case DType::int64: return "LongStorage";
    case DType::float16: return "HalfStorage";
    case DType::float32: return "FloatStorage";
    case DType::float64: return "DoubleStorage";
    case DType::complex64: return "ComplexFloatStorage";
    case DType::complex128: return "ComplexDoubleStorage";
    case DType::boolean: return "BoolStorage";
    case DType::bfloat16: return "BFloat16Storage";
    case DType::qint8: return "QInt8Storage";
    case DType::quint8: return "QUInt8Storage";
    case DType::qint32: return "QInt32Storage";
    case DType::quint4x2: return "QUInt4x2Storage";
    case DType::quint2x4: return "QUInt2x4Storage";
    default: return {};
  }
}

std::string location_tag(const c10::Device& device) {
  const Device named = from_c10(device);
  return named.type == "cpu" || named.type == "mps" || named.type == "meta" ? named.type : named.str();
}

SavedStorages::SourceKey SavedStorages::key_of(const c10::Storage& storage) {
  const c10::Device device = storage.device();
  const void* const memory = storage.nbytes() == 0 ? nullptr : storage.data();
  if (memory == nullptr) return {storage.unsafeGetStorageImpl(), 0, -1};
  const auto type = static_cast<std::int64_t>(device.type());
  return {memory, storage.nbytes(), type << 16 | (device.index() + 1)};
}

std::string SavedStorages::location_of(const Source& source) const {
  if (options_.tags == LocationTags::cpu) return "cpu";
  return source.location ? *source.location : location_tag(source.storage.device());
}

SavedStorages::Extent SavedStorages::extent_of(const at::Tensor& strided) {
  const DType dtype = dtype_of(strided);
  if (strided.numel() == 0) return {0, 0, strided};
  const std::uint64_t per_item = elements_per_item(dtype);
  const auto first = static_cast<std::uint64_t>(strided.storage_offset());
  const auto elements = reach(strided);
  const auto last = elements ? checked_add(first, *elements) : std::nullopt;
  const auto end = last ? checked_mul((*last + per_item - 1) / per_item, itemsize(dtype)) : std::nullopt;
  const std::uint64_t held = strided.storage().nbytes();
  if (!end || *end > held) {
    throw Error(ErrorCode::unsupported, "its storage holds " + std::to_string(held) +
                                            " bytes only, not all of the "
                                            "tensor's elements; was it freed or resized?");
  }
  return {first / per_item * itemsize(dtype), *end, strided};
}

void SavedStorages::require_elements(const at::Tensor& strided) {
  const c10::Storage& storage = strided.storage();
  if (storage.device().is_cpu() && storage.nbytes() != 0 && storage.data() == nullptr) {
    throw Error(ErrorCode::unsupported, "its storage has no memory");
  }
  extent_of(strided);
}

void SavedStorages::add(const at::Tensor& strided, const std::optional<std::string>& location) {
  Extent extent = extent_of(strided);
  Source& source = sources_[key_of(strided.storage())];
  if (!source.storage) source.storage = strided.storage();
  if (!source.location) source.location = location;
  if (strided.numel() != 0 || !options_.compact) source.extents.push_back(std::move(extent));
}

void SavedStorages::add_opaque(const at::Tensor& tensor) {
  Stretch stretch;
  stretch.saved.packed = tensor;
  stretch.saved.nbytes = static_cast<std::uint64_t>(tensor.numel()) * itemsize(dtype_of(tensor));
  opaque_.emplace(tensor.unsafeGetTensorImpl(), std::move(stretch));
}

SavedStorages::Stretch SavedStorages::stretch_over(const Source& source, std::span<const Extent> extents,
                                                   std::uint64_t begin, std::uint64_t end) {
  Stretch stretch;
  const auto type = extents.front().tensor.scalar_type();
  for (const Extent& extent : extents) stretch.mixed = stretch.mixed || extent.tensor.scalar_type() != type;
  if (stretch.mixed) begin -= begin % kLargestItem;
  stretch.saved.storage = source.storage;
  stretch.saved.begin = begin;
  stretch.saved.nbytes = end - begin;
  return stretch;
}

SavedStorages::Stretch SavedStorages::compact_stretch(const Source& source, std::span<const Extent> extents) {
  std::uint64_t end = 0;
  bool alone = true;
  const at::Tensor& first = extents.front().tensor;
  for (const Extent& extent : extents) {
    end = std::max(end, extent.end);
    alone = alone && same_geometry(extent.tensor, first);
  }
  Stretch stretch = stretch_over(source, extents, extents.front().begin, end);
  const DType dtype = dtype_of(first);
  const std::uint64_t packed = static_cast<std::uint64_t>(first.numel()) * itemsize(dtype);
  if (alone && elements_per_item(dtype) == 1 && packed < stretch.saved.nbytes) {
    stretch.saved.packed = raw_view(first);
    stretch.saved.nbytes = packed;
  }
  return stretch;
}

void SavedStorages::settle(Source& source) const {
  auto& extents = source.extents;
  if (!options_.compact) {
    source.stretches.push_back(stretch_over(source, extents, 0, source.storage.nbytes()));
    return;
  }
  source.empty.saved.storage = source.storage;
  std::stable_sort(extents.begin(), extents.end(),
                   [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
  for (std::size_t first = 0; first < extents.size();) {
    std::uint64_t end = extents[first].end;
    std::size_t next = first + 1;
    for (; next < extents.size() && extents[next].begin < end; ++next) end = std::max(end, extents[next].end);
    source.stretches.push_back(compact_stretch(source, std::span(extents).subspan(first, next - first)));
    first = next;
  }
}

SavedStorages::Stretch& SavedStorages::stretch_of(Source& source, const at::Tensor& added) const {
  if (source.stretches.empty() && !source.empty.saved.storage) settle(source);
  if (!options_.compact) return source.stretches.front();
  if (added.numel() == 0) return source.empty;
  // The last stretch that begins at or before the tensor; the first element of a packed one is where it
  // begins.
  const auto after = std::upper_bound(
      source.stretches.begin(), source.stretches.end(), extent_of(added).begin,
      [](std::uint64_t begin, const Stretch& stretch) { return begin < stretch.saved.begin; });
  return *std::prev(after);
}

std::size_t SavedStorages::number(Stretch& stretch) {
  if (stretch.key == kUnnumbered) {
    stretch.key = numbered_.size();
    numbered_.push_back(stretch.saved);
  }
  return stretch.key;
}

SavedView SavedStorages::view_of(const at::Tensor& added) {
  const auto opaque = opaque_.find(added.unsafeGetTensorImpl());
  const bool is_opaque = opaque != opaque_.end();
  Source* const source = is_opaque ? nullptr : &sources_.at(key_of(added.storage()));
  Stretch& stretch = is_opaque ? opaque->second : stretch_of(*source, added);
  const SavedStorage& saved = stretch.saved;
  SavedView view;
  view.dtype = dtype_of(added);
  const std::size_t size = itemsize(view.dtype);
  // torch.load makes a storage without bytes anew for each tensor, so that those need not agree on a type.
  view.untyped = storage_class_of(view.dtype).empty() || saved.nbytes % size != 0 ||
                 (stretch.mixed && saved.nbytes != 0);
  if (view.untyped && added.is_quantized()) {
    throw Error(
        ErrorCode::unsupported,
        "a quantized tensor shares its storage with tensors of other types, which torch.save has no form "
        "for; save a copy of one of them");
  }
  view.key = number(stretch);
  view.storage_numel = view.untyped ? saved.nbytes : saved.nbytes / size;
  view.location = is_opaque ? "cpu" : location_of(*source);
  if (saved.packed.defined() || (options_.compact && added.numel() == 0)) {
    view.offset = 0;
    view.strides = contiguous_strides(added.sizes());
  } else {
    const std::uint64_t skipped = saved.begin / size * elements_per_item(view.dtype);
    view.offset = added.storage_offset() - static_cast<std::int64_t>(skipped);
    view.strides = added.strides().vec();
  }
  return view;
}

}  // namespace torchferry
