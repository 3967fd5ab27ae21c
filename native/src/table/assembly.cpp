#include "table/assembly.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/checked.h"

namespace torchferry {
namespace {

constexpr std::size_t kMostCutDimensions = 6;
/// Runs from this size on are read where they belong; shorter ones are read together and copied from there.
constexpr std::uint64_t kLongRun = std::uint64_t{64} << 10;
constexpr std::uint64_t kBounce = std::uint64_t{1} << 20;

std::string box_text(std::span<const std::int64_t> values) {
  std::string text = "[";
  for (std::size_t i = 0; i < values.size(); ++i) text += (i != 0 ? ", " : "") + std::to_string(values[i]);
  return text + "]";
}

bool is_inside(std::span<const std::int64_t> whole, const Box& box) {
  if (box.at.size() != whole.size() || box.size.size() != whole.size()) return false;
  for (std::size_t d = 0; d < whole.size(); ++d) {
    if (box.at[d] < 0 || box.size[d] < 0 || box.at[d] > whole[d] || box.size[d] > whole[d] - box.at[d]) return false;
  }
  return true;
}

bool is_empty(const Box& box) { return std::find(box.size.begin(), box.size.end(), 0) != box.size.end(); }

/// Which corners boxes have, each counted with its sign. A set of half-open boxes covers a region exactly once if and
/// only if every corner's signs add up to those of the region's own corners: the sum of the boxes' indicator
/// functions is determined by its mixed differences, and those are nothing but the corners.
class Corners {
 public:
  Corners(std::vector<std::size_t> dimensions, std::size_t boxes) : dimensions_(std::move(dimensions)) {
    points_.reserve((boxes << dimensions_.size()) * dimensions_.size());
    signs_.reserve(boxes << dimensions_.size());
  }

  void add(const Box& box, int sign) {
    for (std::size_t corner = 0; corner < std::size_t{1} << dimensions_.size(); ++corner) {
      int corner_sign = sign;
      for (std::size_t i = 0; i < dimensions_.size(); ++i) {
        const std::size_t d = dimensions_[i];
        const bool far = (corner >> i & 1) != 0;
        points_.push_back(box.at[d] + (far ? box.size[d] : 0));
        if (far) corner_sign = -corner_sign;
      }
      signs_.push_back(corner_sign);
    }
  }

  bool cancel() const {
    const std::size_t width = dimensions_.size();
    std::vector<std::size_t> order(signs_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto point = [&](std::size_t i) { return std::span(points_).subspan(i * width, width); };
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return std::lexicographical_compare(point(a).begin(), point(a).end(), point(b).begin(), point(b).end());
    });
    for (std::size_t i = 0; i < order.size();) {
      std::int64_t sum = 0;
      const auto here = point(order[i]);
      for (; i < order.size() && std::equal(here.begin(), here.end(), point(order[i]).begin()); ++i) {
        sum += signs_[order[i]];
      }
      if (sum != 0) return false;
    }
    return true;
  }

 private:
  std::vector<std::size_t> dimensions_;
  std::vector<std::int64_t> points_;
  std::vector<int> signs_;
};

std::uint64_t volume(std::span<const std::int64_t> size) {
  std::uint64_t product = 1;
  for (const std::int64_t extent : size) product *= static_cast<std::uint64_t>(extent);
  return product;
}

/// The dimensions along which a box is not as long as the whole.
std::vector<std::size_t> cut_dimensions(std::span<const std::int64_t> size, std::span<const Box> boxes) {
  std::vector<std::size_t> cut;
  for (std::size_t d = 0; d < size.size(); ++d) {
    if (std::any_of(boxes.begin(), boxes.end(), [&](const Box& box) { return box.size[d] != size[d]; })) cut.push_back(d);
  }
  return cut;
}

}  // namespace

std::string tiling_fault(std::span<const std::int64_t> size, std::span<const Box> boxes) {
  std::vector<Box> solid;
  std::uint64_t sum = 0;
  for (const Box& box : boxes) {
    if (!is_inside(size, box)) {
      return "the chunk of sizes " + box_text(box.size) + " at " + box_text(box.at) + " is not inside " + box_text(size);
    }
    if (is_empty(box)) continue;
    solid.push_back(box);
    const auto next = checked_add(sum, volume(box.size));
    if (!next) return "its chunks overlap";
    sum = *next;
  }
  if (sum > volume(size)) return "its chunks overlap";
  if (sum < volume(size)) return "its chunks leave a gap";
  if (solid.empty()) return {};
  const std::vector<std::size_t> cut = cut_dimensions(size, solid);
  if (cut.size() > kMostCutDimensions) {
    return "it is cut along " + std::to_string(cut.size()) + " dimensions, more than can be put together";
  }
  Corners corners(cut, solid.size() + 1);
  for (const Box& box : solid) corners.add(box, 1);
  const std::vector<std::int64_t> start(size.size(), 0);
  corners.add({start, size}, -1);
  return corners.cancel() ? std::string() : "its chunks overlap, and leave a gap";
}

namespace {

/// The stretches of the whole tensor that a piece's elements fill: each is one run of the piece's row-major elements,
/// all are of one length, and they follow each other in both.
class Runs {
 public:
  Runs(const Assembly& assembly, const Piece& piece) : piece_(piece), steps_(assembly.size.size()) {
    std::uint64_t step = 1;
    for (std::size_t d = assembly.size.size(); d-- > 0;) {
      steps_[d] = step;
      step *= static_cast<std::uint64_t>(assembly.size[d]);
    }
    std::size_t d = assembly.size.size();
    while (d > 0) {
      --d;
      length_ *= static_cast<std::uint64_t>(piece.size[d]);
      if (piece.size[d] != assembly.size[d]) break;
    }
    outer_ = d;
    for (std::size_t i = 0; i < assembly.size.size(); ++i) base_ += static_cast<std::uint64_t>(piece.at[i]) * steps_[i];
    for (std::size_t i = 0; i < outer_; ++i) count_ *= static_cast<std::uint64_t>(piece.size[i]);
  }

  std::uint64_t length() const noexcept { return length_; }
  std::uint64_t count() const noexcept { return count_; }

  /// Where run `index` begins in the whole tensor.
  std::uint64_t start(std::uint64_t index) const noexcept {
    std::uint64_t at = base_;
    for (std::size_t d = outer_; d-- > 0;) {
      const auto extent = static_cast<std::uint64_t>(piece_.size[d]);
      at += index % extent * steps_[d];
      index /= extent;
    }
    return at;
  }

  /// The first run that ends after `element`.
  std::uint64_t first_beyond(std::uint64_t element) const noexcept {
    std::uint64_t low = 0;
    std::uint64_t high = count_;
    while (low < high) {
      const std::uint64_t middle = low + (high - low) / 2;
      if (start(middle) + length_ <= element) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

 private:
  const Piece& piece_;
  std::vector<std::uint64_t> steps_;
  std::size_t outer_ = 0;
  std::uint64_t base_ = 0;
  std::uint64_t length_ = 1;
  std::uint64_t count_ = 1;
};

}  // namespace

void place_piece(const Assembly& assembly, const Piece& piece, std::uint64_t first, std::span<std::byte> out,
                 const ReadPiece& read) {
  if (is_empty({piece.at, piece.size}) || out.empty()) return;
  const std::size_t item = assembly.item_bytes;
  const std::uint64_t begin = first / item;
  const std::uint64_t end = begin + out.size() / item;
  const Runs runs(assembly, piece);
  const std::uint64_t length = runs.length();
  const auto to = [&](std::uint64_t from, std::uint64_t until) {
    return out.subspan((from - begin) * item, (until - from) * item);
  };
  std::vector<std::byte> bounce;
  for (std::uint64_t run = runs.first_beyond(begin); run < runs.count();) {
    const std::uint64_t start = runs.start(run);
    if (start >= end) break;
    if (length * item >= kLongRun) {
      const std::uint64_t from = std::max(start, begin);
      read(piece, run * length + (from - start), to(from, std::min(start + length, end)));
      ++run;
      continue;
    }
    const std::uint64_t last = std::min(runs.count(), run + kBounce / (length * item));
    std::uint64_t stop = run + 1;
    if (runs.start(last - 1) < end) {
      stop = last;
    } else {
      while (stop < last && runs.start(stop) < end) ++stop;
    }
    bounce.resize((stop - run) * length * item);
    read(piece, run * length, bounce);
    for (const std::byte* next = bounce.data(); run < stop; ++run, next += length * item) {
      const std::uint64_t at = runs.start(run);
      const std::uint64_t from = std::max(at, begin);
      const auto part = to(from, std::min(at + length, end));
      std::memcpy(part.data(), next + (from - at) * item, part.size());
    }
  }
}

}  // namespace torchferry
