#pragma once

#include <torchferry/checkpoint.h>

#include <cstdint>
#include <memory>

namespace torchferry {

/// When two elements count as close: torch.allclose's |a - b| <= absolute + relative × |b|. Zero for both: equal.
struct Tolerance {
  double relative = 0;
  double absolute = 0;
};

/// How the elements of two tensors differ. Two NaNs are equal, and so are the two zeros.
struct Difference {
  std::uint64_t elements = 0;      ///< compared: the numel of either tensor, parts of a compound one added up
  std::uint64_t different = 0;     ///< whose values differ
  std::uint64_t not_close = 0;     ///< whose values differ by more than the tolerance
  std::uint64_t nan_a = 0;         ///< NaN on the first side
  std::uint64_t nan_b = 0;         ///< NaN on the second side
  double max_absolute = 0;         ///< largest |a - b|, where neither is NaN
  double max_relative = 0;         ///< largest |a - b| / |b|, where neither is NaN; infinite where b is 0 and a is not
  /// Row-major index of the first element whose value differs; the number of elements when none does.
  std::uint64_t first = 0;
  bool bits_equal = true;          ///< whether all bytes are the same
  bool measured = true;            ///< false: the types' items have no numbers; `different` counts unequal items
};

struct CompareOptions {
  Tolerance tolerance = {};
  /// Threads that compare; 0: as many as there are processors, at most 8.
  unsigned threads = 0;
  std::shared_ptr<Progress> progress = nullptr;  ///< `done` counts the bytes of the first side
};

/// Whether two tensors can be compared element by element: same layout and shape, and, for what has no numbers
/// (packed and bits types), the same dtype. Dtypes may differ otherwise: values are compared.
bool comparable(const Checkpoint& a, const TensorRow& row_a, const Checkpoint& b, const TensorRow& row_b);

/// Compares the elements of two tensors, read in pieces and never held as a whole. Quantized tensors: the integers.
/// Sparse, nested and per-channel quantized ones: part by part, as they are stored. Meta tensors have no elements.
/// Throws Error(invalid_argument) unless `comparable`, and what reading throws.
Difference compare(const Checkpoint& a, const TensorRow& row_a, const Checkpoint& b, const TensorRow& row_b,
                   const CompareOptions& options = {});

}  // namespace torchferry
