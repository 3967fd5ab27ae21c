#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace torchferry {

/// What a Huffman code of deflate stands for, ready to use: no second table is asked for lengths and
/// distances.
struct CodeEntry {
  enum Kind : std::uint8_t { literal, base, end, link, invalid };

  std::uint16_t value = 0;  ///< the literal, the least length or distance, or where a linked table starts
  std::uint8_t bits = 0;    ///< of the code; of a link, what the linked table is indexed with
  Kind kind : 4 = invalid;
  std::uint8_t extra : 4 = 0;  ///< bits that follow the code and are added to the value
};

/// The entries for a symbol of each of deflate's three alphabets; `bits` is filled in by the table.
CodeEntry plain_entry(std::size_t symbol) noexcept;
CodeEntry literal_entry(std::size_t symbol) noexcept;
CodeEntry distance_entry(std::size_t symbol) noexcept;

/// Whether code lengths make a prefix code. `single` is a lone code of one bit, or none at all.
enum class CodeShape { complete, single, invalid };

namespace detail {

/// Fills `entries` for codes of the given lengths (0: not used): the first 2^`root` for the codes' first
/// bits, the rest for longer codes, linked from there. Bit patterns that are no code give invalid entries of
/// one bit.
CodeShape build_table(std::span<const std::uint8_t> lengths, CodeEntry (*entry)(std::size_t), unsigned root,
                      std::span<CodeEntry> entries) noexcept;

}  // namespace detail

/// Decodes one code in one or two steps. `capacity` must hold the largest pair of tables that any complete
/// code over the alphabet has, which is known for deflate's limits (15 bits).
template <unsigned root, std::size_t capacity>
class CodeTable {
 public:
  CodeShape build(std::span<const std::uint8_t> lengths, CodeEntry (*entry)(std::size_t)) noexcept {
    return detail::build_table(lengths, entry, root, entries_);
  }

  /// For tables whose codes are no longer than `root`.
  CodeEntry first(std::uint64_t bits) const noexcept { return entries_[bits & ((1U << root) - 1)]; }

  CodeEntry lookup(std::uint64_t bits) const noexcept {
    const CodeEntry entry = first(bits);
    if (entry.kind != CodeEntry::link) [[likely]] return entry;
    return entries_[entry.value + ((bits >> root) & ((1U << entry.bits) - 1))];
  }

 private:
  std::array<CodeEntry, capacity> entries_;
};

using LengthTable = CodeTable<7, 128>;      // 19 symbols of at most 7 bits
using LiteralTable = CodeTable<10, 1'400>;  // 286 symbols of at most 15 bits: 1,334 entries
using DistanceTable = CodeTable<8, 420>;    // 30 symbols of at most 15 bits: 402 entries

}  // namespace torchferry
