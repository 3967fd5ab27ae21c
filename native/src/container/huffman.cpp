#include "container/huffman.h"

namespace torchferry {
namespace {

constexpr unsigned kMaxBits = 15;
constexpr std::size_t kMaxSymbols = 288;

/// The low `bits` bits of `code` in reverse order: deflate sends Huffman codes from their highest bit.
unsigned reversed(unsigned code, unsigned bits) noexcept {
  code = ((code & 0x5555) << 1) | ((code >> 1) & 0x5555);
  code = ((code & 0x3333) << 2) | ((code >> 2) & 0x3333);
  code = ((code & 0x0F0F) << 4) | ((code >> 4) & 0x0F0F);
  code = ((code & 0x00FF) << 8) | ((code >> 8) & 0x00FF);
  return code >> (16 - bits);
}

/// The used symbols in the order of their codes, with the codes in sending order (lowest bit first).
struct SortedCodes {
  std::array<std::uint16_t, kMaxSymbols> symbols;
  std::array<std::uint16_t, kMaxSymbols> codes;
  std::size_t used = 0;
  CodeShape shape = CodeShape::invalid;
};

SortedCodes sort_codes(std::span<const std::uint8_t> lengths) noexcept {
  std::array<unsigned, kMaxBits + 1> counts{};
  for (const std::uint8_t length : lengths) ++counts[length];
  counts[0] = 0;

  SortedCodes sorted;
  std::array<unsigned, kMaxBits + 1> positions{};
  std::array<unsigned, kMaxBits + 1> next_codes{};
  unsigned code = 0;
  unsigned used = 0;
  unsigned longest = 0;
  for (unsigned bits = 1; bits <= kMaxBits; ++bits) {
    code <<= 1;
    positions[bits] = used;
    next_codes[bits] = code;
    used += counts[bits];
    code += counts[bits];
    if (counts[bits] != 0) longest = bits;
    if (code > (1U << bits)) return sorted;
  }
  if (code == (1U << kMaxBits)) {
    sorted.shape = CodeShape::complete;
  } else if (longest <= 1) {
    sorted.shape = CodeShape::single;
  } else {
    return sorted;
  }

  sorted.used = used;
  for (std::size_t symbol = 0; symbol < lengths.size(); ++symbol) {
    const unsigned bits = lengths[symbol];
    if (bits == 0) continue;
    const unsigned at = positions[bits]++;
    sorted.symbols[at] = static_cast<std::uint16_t>(symbol);
    sorted.codes[at] = static_cast<std::uint16_t>(reversed(next_codes[bits]++, bits));
  }
  return sorted;
}

}  // namespace

namespace detail {

CodeShape build_table(std::span<const std::uint8_t> lengths, CodeEntry (*entry)(std::size_t), unsigned root,
                      std::span<CodeEntry> entries) noexcept {
  const SortedCodes sorted = sort_codes(lengths);
  if (sorted.shape == CodeShape::invalid) return sorted.shape;
  const std::size_t first_size = std::size_t{1} << root;
  if (sorted.shape == CodeShape::single) {
    CodeEntry none;
    none.bits = 1;
    for (CodeEntry& each : entries.first(first_size)) each = none;
  }

  const std::size_t first_mask = first_size - 1;
  const auto bits_of = [&](std::size_t i) { return unsigned{lengths[sorted.symbols[i]]}; };
  std::size_t table = 0;
  std::size_t table_bits = root;
  std::size_t table_end = first_size;
  std::size_t linked_prefix = first_size;
  for (std::size_t i = 0; i < sorted.used; ++i) {
    const unsigned bits = bits_of(i);
    unsigned skipped = 0;
    if (bits > root) {
      skipped = root;
      const std::size_t prefix = sorted.codes[i] & first_mask;
      if (prefix != linked_prefix) {
        // Codes with the same first bits follow each other, the longest last.
        std::size_t last = i;
        while (last + 1 < sorted.used && (sorted.codes[last + 1] & first_mask) == prefix) ++last;
        table = table_end;
        table_bits = bits_of(last) - root;
        table_end += std::size_t{1} << table_bits;
        if (table_end > entries.size()) return CodeShape::invalid;
        linked_prefix = prefix;
        CodeEntry link;
        link.value = static_cast<std::uint16_t>(table);
        link.bits = static_cast<std::uint8_t>(table_bits);
        link.kind = CodeEntry::link;
        entries[prefix] = link;
      }
    }
    CodeEntry filled = entry(sorted.symbols[i]);
    filled.bits = static_cast<std::uint8_t>(bits);
    const std::size_t step = std::size_t{1} << (bits - skipped);
    const std::size_t size = std::size_t{1} << table_bits;
    for (std::size_t at = sorted.codes[i] >> skipped; at < size; at += step) entries[table + at] = filled;
  }
  return sorted.shape;
}

}  // namespace detail

CodeEntry plain_entry(std::size_t symbol) noexcept {
  CodeEntry entry;
  entry.value = static_cast<std::uint16_t>(symbol);
  entry.kind = CodeEntry::literal;
  return entry;
}

CodeEntry literal_entry(std::size_t symbol) noexcept {
  if (symbol < 256) return plain_entry(symbol);
  CodeEntry entry;
  if (symbol == 256) {
    entry.kind = CodeEntry::end;
  } else if (symbol < 265) {
    entry.kind = CodeEntry::base;
    entry.value = static_cast<std::uint16_t>(symbol - 254);
  } else if (symbol < 285) {
    const auto extra = static_cast<unsigned>(symbol - 261) / 4;
    entry.kind = CodeEntry::base;
    entry.extra = static_cast<std::uint8_t>(extra & 0xF);
    entry.value = static_cast<std::uint16_t>(3 + ((4 + (symbol - 261) % 4) << extra));
  } else if (symbol == 285) {
    entry.kind = CodeEntry::base;
    entry.value = 258;
  }
  return entry;
}

CodeEntry distance_entry(std::size_t symbol) noexcept {
  CodeEntry entry;
  if (symbol >= 30) return entry;
  const unsigned extra = symbol < 4 ? 0 : static_cast<unsigned>(symbol - 2) / 2;
  entry.kind = CodeEntry::base;
  entry.extra = static_cast<std::uint8_t>(extra & 0xF);
  entry.value = static_cast<std::uint16_t>(symbol < 4 ? symbol + 1 : 1 + ((2 + symbol % 2) << extra));
  return entry;
}

}  // namespace torchferry
