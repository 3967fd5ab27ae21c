#include "container/inflate.h"

#include <torchferry/error.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "container/huffman.h"
#include "container/little_endian.h"

namespace torchferry {
namespace {

constexpr std::size_t kEndOfBlock = 256;

/// The input, bit by bit from the low end of each byte. `refill` brings `count` to 57 bits or more, enough
/// for one length and distance (at most 48). Past the end of the input it supplies zero bytes and counts
/// them, so decoding needs no end test: once more of them are `missing` than fit into `bits`, one has been
/// used and the stream ends early. A small value, to be held in registers by the loop that decodes.
struct BitInput {
  const std::byte* at;
  const std::byte* end;
  std::uint64_t bits = 0;
  unsigned count = 0;
  unsigned missing = 0;

  void refill() noexcept {
    if (end - at >= 8) [[likely]] {
      bits |= load_u64(at) << count;
      at += (63 - count) >> 3;
      count |= 56;
      return;
    }
    for (; count <= 56; count += 8) {
      if (at != end) {
        bits |= std::to_integer<std::uint64_t>(*at++) << count;
      } else {
        ++missing;
      }
    }
  }
  bool exhausted() const noexcept { return missing > 8; }

  unsigned take(unsigned wanted) noexcept {
    const auto value = static_cast<unsigned>(bits & ((std::uint64_t{1} << wanted) - 1));
    drop(wanted);
    return value;
  }
  void drop(unsigned used) noexcept {
    bits >>= used;
    count -= used;
  }
};

/// One stream being inflated.
class Inflater {
 public:
  Inflater(std::span<const std::byte> in, std::span<std::byte> out) noexcept
      : in_begin_(in.data()), in_{in.data(), in.data() + in.size()}, out_begin_(out.data()), out_(out.data()),
        out_end_(out.data() + out.size()) {}

  void run() {
    bool last = false;
    while (!last) {
      refill();
      last = in_.take(1) != 0;
      switch (in_.take(2)) {
        case 0: stored_block(); break;
        case 1: fixed_block(); break;
        case 2: dynamic_block(); break;
        default: fail("a deflate block has the reserved type 3");
      }
    }
    give_back_whole_bytes();
    if (in_.at != in_.end) fail("bytes follow the end of the deflate stream");
    if (out_ != out_end_) {
      fail("the deflate stream gives " + std::to_string(out_ - out_begin_) + " bytes where " +
           std::to_string(out_end_ - out_begin_) + " are expected");
    }
  }

 private:
  /// Why a block cannot go on; the loop that decodes returns it, so that it need not hold what messages need.
  enum class Stop { end_of_block, ends_early, too_long, no_such_length, no_such_distance, before_the_first };

  [[noreturn]] void fail(std::string message) const {
    const unsigned invented = 8 * in_.missing;
    // What has been made of bits that are not there says nothing about the stream but this.
    if (in_.count < invented) message = "the deflate stream ends early";
    const unsigned unused = in_.count > invented ? (in_.count - invented) / 8 : 0;
    throw Error(ErrorCode::corrupt, {}, {}, static_cast<std::uint64_t>(in_.at - in_begin_ - unused),
                std::move(message));
  }

  [[noreturn]] void fail(Stop stop) const {
    switch (stop) {
      case Stop::ends_early: fail("the deflate stream ends early");
      case Stop::no_such_length: fail("a deflate block uses a length that does not exist");
      case Stop::no_such_distance: fail("a deflate block uses a distance that does not exist");
      case Stop::before_the_first: fail("a deflate block refers to bytes before the first");
      default:
        fail("the deflate stream gives more than the expected " + std::to_string(out_end_ - out_begin_) +
             " bytes");
    }
  }

  void refill() {
    in_.refill();
    if (in_.exhausted()) fail(Stop::ends_early);
  }

  /// Forgets the bits up to the next byte of the input, which becomes the next to be read.
  void give_back_whole_bytes() {
    const unsigned whole = in_.count / 8;
    if (whole < in_.missing) fail(Stop::ends_early);
    in_ = BitInput{in_.at - (whole - in_.missing), in_.end};
  }

  void stored_block() {
    give_back_whole_bytes();
    if (in_.end - in_.at < 4) fail(Stop::ends_early);
    const std::size_t length = load_u16(in_.at);
    if ((length ^ load_u16(in_.at + 2)) != 0xFFFF) {
      fail("the length of a stored deflate block contradicts itself");
    }
    in_.at += 4;
    if (static_cast<std::size_t>(in_.end - in_.at) < length) fail(Stop::ends_early);
    if (static_cast<std::size_t>(out_end_ - out_) < length) fail(Stop::too_long);
    if (length != 0) std::memcpy(out_, in_.at, length);
    in_.at += length;
    out_ += length;
  }

  void fixed_block() {
    static const auto codes = [] {
      struct {
        LiteralTable literals;
        DistanceTable distances;
      } fixed;
      std::array<std::uint8_t, 288> lengths;
      for (std::size_t i = 0; i < lengths.size(); ++i) {
        lengths[i] = static_cast<std::uint8_t>(i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8);
      }
      fixed.literals.build(lengths, literal_entry);
      std::array<std::uint8_t, 32> fives;
      fives.fill(5);
      fixed.distances.build(fives, distance_entry);
      return fixed;
    }();
    codes_block(codes.literals, codes.distances);
  }

  void dynamic_block() {
    const std::size_t literals = 257 + in_.take(5);
    const std::size_t distances = 1 + in_.take(5);
    const std::size_t length_codes = 4 + in_.take(4);
    if (literals > 286 || distances > 30) fail("a deflate block has too many codes");

    static constexpr std::array<std::uint8_t, 19> order = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                           11, 4,  12, 3, 13, 2, 14, 1, 15};
    std::array<std::uint8_t, 19> code_lengths{};
    for (std::size_t i = 0; i < length_codes; ++i) {
      if (in_.count < 3) refill();
      code_lengths[order[i]] = static_cast<std::uint8_t>(in_.take(3));
    }
    LengthTable length_table;
    if (length_table.build(code_lengths, plain_entry) != CodeShape::complete) {
      fail("the code lengths of a deflate block have no valid code");
    }

    std::array<std::uint8_t, 286 + 30> lengths;
    read_lengths(length_table, std::span(lengths).first(literals + distances));
    if (lengths[kEndOfBlock] == 0) fail("a deflate block has no code for its end");
    LiteralTable literal_table;
    DistanceTable distance_table;
    if (!usable(literal_table.build(std::span(lengths).first(literals), literal_entry))) {
      fail("the literal codes of a deflate block are no valid code");
    }
    if (!usable(distance_table.build(std::span(lengths).subspan(literals, distances), distance_entry))) {
      fail("the distance codes of a deflate block are no valid code");
    }
    codes_block(literal_table, distance_table);
  }

  /// Besides complete codes the format has the code of at most one symbol, of one bit.
  static bool usable(CodeShape shape) noexcept { return shape != CodeShape::invalid; }

  void read_lengths(const LengthTable& table, std::span<std::uint8_t> lengths) {
    std::size_t filled = 0;
    while (filled < lengths.size()) {
      refill();
      const CodeEntry entry = table.first(in_.bits);
      in_.drop(entry.bits);
      if (entry.value < 16) {
        lengths[filled++] = static_cast<std::uint8_t>(entry.value);
        continue;
      }
      if (entry.value == 16 && filled == 0) fail("a deflate block repeats a code length before the first");
      const std::uint8_t repeated = entry.value == 16 ? lengths[filled - 1] : std::uint8_t{0};
      const std::size_t times = entry.value == 16   ? 3 + in_.take(2)
                                : entry.value == 17 ? 3 + in_.take(3)
                                                    : 11 + in_.take(7);
      if (times > lengths.size() - filled) fail("a deflate block has too many code lengths");
      std::memset(lengths.data() + filled, repeated, times);
      filled += times;
    }
  }

  void codes_block(const LiteralTable& literals, const DistanceTable& distances) {
    BitInput in = in_;
    std::byte* out = out_;
    const Stop stop = decode(literals, distances, in, out);
    in_ = in;
    out_ = out;
    if (stop != Stop::end_of_block) fail(stop);
  }

  [[gnu::always_inline]] inline Stop decode(const LiteralTable& literals, const DistanceTable& distances,
                                            BitInput& in, std::byte*& out) const {
    std::byte* const out_end = out_end_;
    for (;;) {
      if (in.count < 48) {
        in.refill();
        if (in.exhausted()) return Stop::ends_early;
      }
      const CodeEntry entry = literals.lookup(in.bits);
      in.drop(entry.bits);
      if (entry.kind == CodeEntry::literal) {
        if (out == out_end) return Stop::too_long;
        *out++ = static_cast<std::byte>(entry.value);
        continue;
      }
      if (entry.kind == CodeEntry::end) return Stop::end_of_block;
      if (entry.kind != CodeEntry::base) return Stop::no_such_length;
      const std::size_t length = entry.value + in.take(entry.extra);
      const CodeEntry far = distances.lookup(in.bits);
      in.drop(far.bits);
      if (far.kind != CodeEntry::base) return Stop::no_such_distance;
      const std::size_t distance = far.value + in.take(far.extra);
      if (distance > static_cast<std::size_t>(out - out_begin_)) return Stop::before_the_first;
      const auto room = static_cast<std::size_t>(out_end - out);
      if (length > room) return Stop::too_long;
      copy_match(out, length, distance, room);
      out += length;
    }
  }

  static void copy_match(std::byte* to, std::size_t length, std::size_t distance, std::size_t room) noexcept {
    const std::byte* from = to - distance;
    if (distance >= 8 && room >= length + 8) {
      // Whole words, up to seven bytes further than the match: they lie in `out` and are written again.
      for (std::size_t done = 0; done < length; done += 8) std::memcpy(to + done, from + done, 8);
    } else if (distance == 1) {
      std::memset(to, std::to_integer<int>(*from), length);
    } else {
      for (; length != 0; --length) *to++ = *from++;
    }
  }

  const std::byte* in_begin_;
  BitInput in_;
  std::byte* out_begin_;
  std::byte* out_;
  std::byte* out_end_;
};

}  // namespace

void inflate(std::span<const std::byte> in, std::span<std::byte> out) { Inflater(in, out).run(); }

}  // namespace torchferry
