#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace torchferry::testing {

/// Writes deflate streams bit by bit, good and bad ones: blocks of any codes that no compressor would choose.
class DeflateWriter {
 public:
  /// Code lengths by symbol, 0 for symbols that are not used.
  using Lengths = std::vector<std::uint8_t>;

  /// A number, lowest bit first, continued with zeros.
  DeflateWriter& bits(std::uint32_t value, unsigned count) {
    for (unsigned i = 0; i < count; ++i) bit(i < 32 ? value >> i : 0);
    return *this;
  }
  DeflateWriter& begin_block(bool last, unsigned type) { return bits(last ? 1 : 0, 1).bits(type, 2); }

  DeflateWriter& stored_block(bool last, std::string_view content) {
    begin_block(last, 0);
    while (filled_ != 0) bit(0);
    bits(static_cast<std::uint32_t>(content.size()), 16)
        .bits(~static_cast<std::uint32_t>(content.size()), 16);
    for (const char c : content) bits(static_cast<unsigned char>(c), 8);
    return *this;
  }

  DeflateWriter& begin_fixed(bool last) {
    Lengths literals(288, 8);
    for (std::size_t i = 144; i < 256; ++i) literals[i] = 9;
    for (std::size_t i = 256; i < 280; ++i) literals[i] = 7;
    use(std::move(literals), Lengths(32, 5));
    return begin_block(last, 1);
  }

  /// Sends the codes one length at a time: the sixteen lengths as codes of four bits, no repetition.
  DeflateWriter& begin_dynamic(bool last, Lengths literals, Lengths distances) {
    begin_dynamic_header(last, literals.size(), distances.size());
    for (const std::uint8_t length : literals) length_code(length);
    for (const std::uint8_t length : distances) length_code(length);
    use(std::move(literals), std::move(distances));
    return *this;
  }
  DeflateWriter& begin_dynamic_header(bool last, std::size_t literals, std::size_t distances) {
    begin_block(last, 2);
    bits(static_cast<std::uint32_t>(literals - 257), 5).bits(static_cast<std::uint32_t>(distances - 1), 5);
    bits(15, 4);
    bits(0, 9);  // 16, 17 and 18 are not used
    for (int i = 0; i < 16; ++i) bits(4, 3);
    return *this;
  }
  DeflateWriter& length_code(unsigned length) { return code(length, 4); }

  DeflateWriter& literal(unsigned symbol) { return code(literals_.codes[symbol], literals_.lengths[symbol]); }
  DeflateWriter& text(std::string_view text) {
    for (const char c : text) literal(static_cast<unsigned char>(c));
    return *this;
  }
  DeflateWriter& distance(unsigned symbol) {
    return code(distances_.codes[symbol], distances_.lengths[symbol]);
  }
  DeflateWriter& end_block() { return literal(256); }

  /// The stream up to now, its last byte filled up with zero bits.
  const std::string& bytes() const { return bytes_; }

 private:
  struct Codes {
    Lengths lengths;
    std::vector<std::uint32_t> codes;
  };

  void bit(std::uint32_t value) {
    if (filled_ == 0) bytes_ += '\0';
    bytes_.back() = static_cast<char>(static_cast<unsigned char>(bytes_.back()) | (value & 1) << filled_);
    filled_ = (filled_ + 1) % 8;
  }
  /// A Huffman code, highest bit first.
  DeflateWriter& code(std::uint32_t value, unsigned count) {
    while (count-- != 0) bit(value >> count);
    return *this;
  }
  void use(Lengths literals, Lengths distances) {
    literals_ = assign(std::move(literals));
    distances_ = assign(std::move(distances));
  }
  static Codes assign(Lengths lengths) {
    Codes codes{std::move(lengths), {}};
    codes.codes.resize(codes.lengths.size());
    std::uint32_t next = 0;
    for (unsigned length = 1; length <= 15; ++length) {
      for (std::size_t symbol = 0; symbol < codes.lengths.size(); ++symbol) {
        if (codes.lengths[symbol] == length) codes.codes[symbol] = next++;
      }
      next <<= 1;
    }
    return codes;
  }

  std::string bytes_;
  unsigned filled_ = 0;
  Codes literals_, distances_;
};

}  // namespace torchferry::testing
