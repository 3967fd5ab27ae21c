#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace torchferry {

/// Finds names among names that are all different. One flat table of 32-bit numbers, filled in a single pass,
/// because it is built for every load. The hash is seeded anew in each process, so a file cannot hold names
/// that all collide.
class KeyIndex {
 public:
  /// Adds `keys[i]` as i; the views must stay valid. Returns the index of a key that was there before, if
  /// there is one, and is then of no more use.
  template <class Keys>
  std::optional<std::size_t> build(const Keys& keys, std::size_t count) {
    reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string_view key = keys(i);
      const std::uint64_t hash = hash_of(key);
      for (std::size_t slot = hash & mask_;; slot = (slot + 1) & mask_) {
        Slot& place = slots_[slot];
        if (place.number == 0) {
          place = {static_cast<std::uint32_t>(hash >> 32), static_cast<std::uint32_t>(i + 1)};
          break;
        }
        if (place.hash == static_cast<std::uint32_t>(hash >> 32) && keys(place.number - 1) == key) return i;
      }
    }
    return std::nullopt;
  }

  /// The number of `key`; `keys` as given to `build`.
  template <class Keys>
  std::optional<std::size_t> find(const Keys& keys, std::string_view key) const {
    if (slots_.empty()) return std::nullopt;
    const std::uint64_t hash = hash_of(key);
    for (std::size_t slot = hash & mask_; slots_[slot].number != 0; slot = (slot + 1) & mask_) {
      const Slot& place = slots_[slot];
      if (place.hash == static_cast<std::uint32_t>(hash >> 32) && keys(place.number - 1) == key) {
        return place.number - 1;
      }
    }
    return std::nullopt;
  }

 private:
  struct Slot {
    std::uint32_t hash;
    std::uint32_t number;  ///< index + 1; 0: free
  };

  void reserve(std::size_t count);
  static std::uint64_t hash_of(std::string_view key) noexcept;

  std::vector<Slot> slots_;
  std::size_t mask_ = 0;
};

}  // namespace torchferry
