#include <torchferry/compare.h>
#include <torchferry/error.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/parallel.h"
#include "table/element_values.h"

// Elements of two checkpoints side by side, in pieces that stay in the processor's caches.

namespace torchferry {
namespace {

/// Items that one thread compares in one go, and items decoded at a time within.
constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
constexpr std::size_t kBlock = 16384;

/// One tensor of either side that has a storage of its own.
struct Side {
  const Checkpoint& checkpoint;
  const TensorRow& row;

  std::size_t width() const { return itemsize(row.dtype); }
  std::uint64_t items() const { return checkpoint.table().nbytes(row) / width(); }
};

bool is_exact(DType dtype) { return dtype == DType::int64 || dtype == DType::uint64; }

template <class Integer>
double distance_of(const std::byte* a, const std::byte* b) {
  Integer x;
  Integer y;
  std::memcpy(&x, a, sizeof x);
  std::memcpy(&y, b, sizeof y);
  return static_cast<double>(x > y ? static_cast<std::uint64_t>(x) - static_cast<std::uint64_t>(y)
                                   : static_cast<std::uint64_t>(y) - static_cast<std::uint64_t>(x));
}

/// Compares the items of two sides from `first` on; one object for each piece.
class Piece {
 public:
  Piece(const Side& a, const Side& b, const Tolerance& tolerance) : a_(a), b_(b), tolerance_(tolerance) {}

  Difference run(std::uint64_t first, std::uint64_t end) {
    found_.first = std::numeric_limits<std::uint64_t>::max();
    for (std::uint64_t at = first; at < end; at += kBlock) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(end - at, kBlock));
      bytes_a_.resize(n * a_.width());
      bytes_b_.resize(n * b_.width());
      a_.checkpoint.read_elements(a_.row, at, bytes_a_);
      b_.checkpoint.read_elements(b_.row, at, bytes_b_);
      block(at, n);
    }
    return found_;
  }

 private:
  void block(std::uint64_t at, std::size_t n) {
    const bool same = a_.row.dtype == b_.row.dtype && bytes_a_ == bytes_b_;
    if (!same) found_.bits_equal = false;
    const std::size_t numbers = numbers_per_item(a_.row.dtype);
    if (numbers == 0) {
      if (!same) unequal_items(at, n);
      return;
    }
    if (same && !is_floating_point(a_.row.dtype) && !is_complex(a_.row.dtype)) return;
    values_a_.resize(n * numbers);
    decode_numbers(a_.row.dtype, bytes_a_, values_a_);
    if (same) return count_nans(n, numbers);
    values_b_.resize(n * numbers);
    decode_numbers(b_.row.dtype, bytes_b_, values_b_);
    for (std::size_t i = 0; i < n; ++i) numbers == 1 ? real(at, i) : complex(at, i);
  }

  void unequal_items(std::uint64_t at, std::size_t n) {
    const std::size_t width = a_.width();
    for (std::size_t i = 0; i < n; ++i) {
      if (std::memcmp(bytes_a_.data() + i * width, bytes_b_.data() + i * width, width) != 0) note_different(at + i);
    }
    found_.not_close = found_.different;
  }

  void count_nans(std::size_t n, std::size_t numbers) {
    std::uint64_t nans = 0;
    if (numbers == 1) {
      for (std::size_t i = 0; i < n; ++i) nans += values_a_[i] != values_a_[i] ? 1 : 0;
    } else {
      for (std::size_t i = 0; i < n; ++i) {
        nans += std::isnan(values_a_[2 * i]) || std::isnan(values_a_[2 * i + 1]) ? 1 : 0;
      }
    }
    found_.nan_a += nans;
    found_.nan_b += nans;
  }

  void real(std::uint64_t at, std::size_t i) {
    const double x = values_a_[i];
    const double y = values_b_[i];
    if (x == y && !is_exact(a_.row.dtype)) return;
    double distance = std::abs(x - y);
    if (is_exact(a_.row.dtype) && a_.row.dtype == b_.row.dtype) {
      const bool is_signed = a_.row.dtype == DType::int64;
      distance = (is_signed ? distance_of<std::int64_t> : distance_of<std::uint64_t>)(bytes_a_.data() + 8 * i,
                                                                                        bytes_b_.data() + 8 * i);
    }
    if (distance == 0) return;
    unequal(at + i, std::isnan(x), std::isnan(y), distance, std::abs(y));
  }

  void complex(std::uint64_t at, std::size_t i) {
    const double* const x = values_a_.data() + 2 * i;
    const double* const y = values_b_.data() + 2 * i;
    if (x[0] == y[0] && x[1] == y[1]) return;
    const bool nan_x = std::isnan(x[0]) || std::isnan(x[1]);
    const bool nan_y = std::isnan(y[0]) || std::isnan(y[1]);
    // Infinities of one part that are equal on both sides must not give NaN.
    const double real = x[0] == y[0] ? 0 : x[0] - y[0];
    const double imaginary = x[1] == y[1] ? 0 : x[1] - y[1];
    unequal(at + i, nan_x, nan_y, std::hypot(real, imaginary), std::hypot(y[0], y[1]));
  }

  void unequal(std::uint64_t index, bool nan_x, bool nan_y, double distance, double magnitude) {
    found_.nan_a += nan_x ? 1 : 0;
    found_.nan_b += nan_y ? 1 : 0;
    if (nan_x && nan_y) return;
    note_different(index);
    if (nan_x || nan_y) {
      ++found_.not_close;
      return;
    }
    // torch.isclose: an infinite value is close to an equal one only.
    const bool close = std::isfinite(distance) && distance <= tolerance_.absolute + tolerance_.relative * magnitude;
    if (!close) ++found_.not_close;
    found_.max_absolute = std::max(found_.max_absolute, distance);
    const double relative = std::isinf(distance) ? distance : distance / magnitude;
    found_.max_relative = std::max(found_.max_relative, relative);
  }

  void note_different(std::uint64_t index) {
    ++found_.different;
    found_.first = std::min(found_.first, index);
  }

  const Side& a_;
  const Side& b_;
  const Tolerance& tolerance_;
  Difference found_;
  std::vector<std::byte> bytes_a_;
  std::vector<std::byte> bytes_b_;
  std::vector<double> values_a_;
  std::vector<double> values_b_;
};

void merge(Difference& into, const Difference& one) {
  into.different += one.different;
  into.not_close += one.not_close;
  into.nan_a += one.nan_a;
  into.nan_b += one.nan_b;
  into.max_absolute = std::max(into.max_absolute, one.max_absolute);
  into.max_relative = std::max(into.max_relative, one.max_relative);
  into.first = std::min(into.first, one.first);
  into.bits_equal = into.bits_equal && one.bits_equal;
}

/// What a compound tensor is made of; a strided one is its own part.
std::vector<const TensorRow*> parts_of(const Checkpoint& checkpoint, const TensorRow& row) {
  std::vector<const TensorRow*> parts;
  if (row.storage != kNone) parts.push_back(&row);
  for (const std::uint32_t part : checkpoint.table().parts(row)) parts.push_back(&checkpoint.table().tensors()[part]);
  return parts;
}

Difference compare_items(const Side& a, const Side& b, const CompareOptions& options) {
  const std::uint64_t items = a.items();
  const auto pieces = static_cast<std::size_t>((items + kPiece - 1) / kPiece);
  std::vector<Difference> found(pieces);
  for_each_parallel(pieces, options.threads, [&](std::size_t i) {
    if (options.progress && options.progress->cancel) throw Error(ErrorCode::cancelled, "the comparison was cancelled");
    const std::uint64_t first = i * kPiece;
    const std::uint64_t end = std::min(items, first + kPiece);
    found[i] = Piece(a, b, options.tolerance).run(first, end);
    if (options.progress) options.progress->done += (end - first) * a.width();
  });
  Difference all;
  all.first = std::numeric_limits<std::uint64_t>::max();
  for (const Difference& one : found) merge(all, one);
  all.elements = a.row.numel;
  all.measured = numbers_per_item(a.row.dtype) != 0;
  all.bits_equal = all.bits_equal && a.row.dtype == b.row.dtype;
  return all;
}

bool same_shape(const Checkpoint& a, const TensorRow& row_a, const Checkpoint& b, const TensorRow& row_b) {
  return std::ranges::equal(a.table().sizes(row_a), b.table().sizes(row_b));
}

bool strided_comparable(const Checkpoint& a, const TensorRow& row_a, const Checkpoint& b, const TensorRow& row_b) {
  if (row_a.layout != row_b.layout || !same_shape(a, row_a, b, row_b)) return false;
  if ((row_a.storage == kNone) != (row_b.storage == kNone)) return false;
  return row_a.dtype == row_b.dtype ||
         (numbers_per_item(row_a.dtype) != 0 && numbers_per_item(row_a.dtype) == numbers_per_item(row_b.dtype));
}

}  // namespace

bool comparable(const Checkpoint& a, const TensorRow& row_a, const Checkpoint& b, const TensorRow& row_b) {
  if (row_a.part_count != row_b.part_count || row_a.qscheme != row_b.qscheme) return false;
  if (!strided_comparable(a, row_a, b, row_b)) return false;
  const auto parts_a = parts_of(a, row_a);
  const auto parts_b = parts_of(b, row_b);
  for (std::size_t i = 0; i < parts_a.size(); ++i) {
    if (!strided_comparable(a, *parts_a[i], b, *parts_b[i])) return false;
  }
  return true;
}

Difference compare(const Checkpoint& a, const TensorRow& row_a, const Checkpoint& b, const TensorRow& row_b,
                   const CompareOptions& options) {
  if (!comparable(a, row_a, b, row_b)) {
    throw Error(ErrorCode::invalid_argument,
                "tensors that differ in layout, shape, quantization or kind of dtype cannot be compared by elements");
  }
  const auto parts_a = parts_of(a, row_a);
  const auto parts_b = parts_of(b, row_b);
  Difference all;
  std::uint64_t first = std::numeric_limits<std::uint64_t>::max();
  for (std::size_t i = 0; i < parts_a.size(); ++i) {
    const Difference one = compare_items({a, *parts_a[i]}, {b, *parts_b[i]}, options);
    if (first == std::numeric_limits<std::uint64_t>::max() && one.different != 0) first = all.elements + one.first;
    merge(all, one);
    all.elements += one.elements;
    all.measured = all.measured && one.measured;
  }
  all.first = std::min(first, all.elements);
  return all;
}

}  // namespace torchferry
