#include "torch/key_index.h"

#include <bit>
#include <cstring>
#include <random>

namespace torchferry {
namespace {

struct Seed {
  std::uint64_t first;
  std::uint64_t second;
};

const Seed& seed() {
  static const Seed value = [] {
    std::random_device device;
    const auto word = [&device] { return std::uint64_t{device()} << 32 | device(); };
    return Seed{word() | 1, word() | 1};
  }();
  return value;
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

void KeyIndex::reserve(std::size_t count) {
  const std::size_t capacity = std::bit_ceil(count * 2 + 1);
  slots_.assign(capacity, Slot{});
  mask_ = capacity - 1;
}

std::uint64_t KeyIndex::hash_of(std::string_view key) noexcept {
  const Seed& secret = seed();
  std::uint64_t state = secret.first ^ key.size();
  const char* at = key.data();
  std::size_t left = key.size();
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    state = mix(state ^ word, secret.second) + word;
  }
  if (left != 0) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, left);
    state = mix(state ^ word, secret.second) + word;
  }
  return mix(state, secret.first);
}

}  // namespace torchferry
