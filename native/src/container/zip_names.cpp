#include "container/zip_names.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>

#include "container/little_endian.h"

namespace torchferry::zip {
namespace {

/// Chosen anew by each process, so that no file can be made of names that collide.
struct Seeds {
  std::uint64_t first, second;
};

Seeds random_seeds() noexcept {
  std::array<std::uint64_t, 2> values{};
  if (::getentropy(values.data(), sizeof values) != 0) {
    values = {static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()),
              std::bit_cast<std::uint64_t>(&values)};
  }
  return {values[0], values[1] | 1};
}

__extension__ using Product = unsigned __int128;

std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  const Product product = static_cast<Product>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// Equal for names that are equal when case is ignored. The bit that separates cases is set in all bytes,
/// which folds some other characters as well: the comparison of names decides.
std::uint64_t hash_folded(std::string_view name) noexcept {
  static const Seeds seeds = random_seeds();
  constexpr std::uint64_t lower = 0x2020202020202020;
  const auto* at = reinterpret_cast<const std::byte*>(name.data());
  std::size_t left = name.size();
  std::uint64_t hash = seeds.second ^ name.size();
  for (; left > 16; at += 16, left -= 16) {
    hash = mix((load_u64(at) | lower) ^ seeds.first, (load_u64(at + 8) | lower) ^ hash);
  }
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  if (left >= 8) {
    low = load_u64(at);
    high = load_u64(at + left - 8);
  } else if (left >= 4) {
    low = load_u32(at);
    high = load_u32(at + left - 4);
  } else {
    for (std::size_t i = 0; i < left; ++i) low = (low << 8) | std::to_integer<std::uint64_t>(at[i]);
  }
  hash = mix((low | lower) ^ seeds.first, (high | lower) ^ hash);
  return mix(hash ^ seeds.first, seeds.second);
}

char lower_case(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool equal_folded(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower_case(x) == lower_case(y); });
}

}  // namespace

std::optional<NameTable::Twins> NameTable::build(std::span<const Record> records, std::size_t prefix) {
  prefix_ = prefix;
  slots_.assign(std::bit_ceil(records.size() + records.size() / 2 + 1), Slot{});
  const std::size_t mask = slots_.size() - 1;
  for (std::uint32_t i = 0; i < records.size(); ++i) {
    const std::string_view name = records[i].name.substr(prefix);
    const std::uint64_t hash = hash_folded(name);
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    std::size_t at = hash & mask;
    for (; slots_[at].number != 0; at = (at + 1) & mask) {
      const std::uint32_t other = slots_[at].number - 1;
      if (slots_[at].tag == tag && equal_folded(records[other].name.substr(prefix), name)) {
        return Twins{other, i};
      }
    }
    slots_[at] = {tag, i + 1};
  }
  return std::nullopt;
}

std::optional<std::uint32_t> NameTable::find(std::span<const Record> records,
                                             std::string_view name) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  const std::uint64_t hash = hash_folded(name);
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  for (std::size_t at = hash & mask; slots_[at].number != 0; at = (at + 1) & mask) {
    const std::uint32_t number = slots_[at].number - 1;
    if (slots_[at].tag == tag && records[number].name.substr(prefix_) == name) return number;
  }
  return std::nullopt;
}

}  // namespace torchferry::zip
