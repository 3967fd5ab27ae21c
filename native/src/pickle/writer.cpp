#include "pickle/writer.h"

#include <torchferry/error.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "base/utf8.h"

namespace torchferry::pickle {
namespace {

constexpr unsigned char kProto = 0x80;
constexpr unsigned char kStop = 0x2E;
constexpr unsigned char kNone = 0x4E;
constexpr unsigned char kNewTrue = 0x88;
constexpr unsigned char kNewFalse = 0x89;
constexpr unsigned char kBinInt1 = 0x4B;
constexpr unsigned char kBinInt2 = 0x4D;
constexpr unsigned char kBinInt = 0x4A;
constexpr unsigned char kLong1 = 0x8A;
constexpr unsigned char kLong4 = 0x8B;
constexpr unsigned char kBinFloat = 0x47;
constexpr unsigned char kBinUnicode = 0x58;
constexpr unsigned char kGlobal = 0x63;
constexpr unsigned char kEmptyTuple = 0x29;
constexpr unsigned char kTuple1 = 0x85;
constexpr unsigned char kTuple = 0x74;
constexpr unsigned char kEmptyList = 0x5D;
constexpr unsigned char kEmptyDict = 0x7D;
constexpr unsigned char kReduce = 0x52;
constexpr unsigned char kBinPut = 0x71;
constexpr unsigned char kLongBinPut = 0x72;
constexpr unsigned char kBinGet = 0x68;
constexpr unsigned char kLongBinGet = 0x6A;

/// The fewest little-endian bytes that hold a number in two's complement.
std::string twos_complement(std::string_view decimal) {
  const bool negative = decimal.starts_with('-');
  std::string_view digits = decimal.substr(negative ? 1 : 0);
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    throw Error(ErrorCode::invalid_argument, "'" + std::string(decimal) + "' is not an integer");
  }
  constexpr std::size_t kDigits = 9;
  std::string bytes;
  for (; !digits.empty(); digits.remove_prefix(std::min(digits.size(), kDigits))) {
    const std::string_view part = digits.substr(0, kDigits);
    std::uint64_t carry = 0;
    std::uint64_t scale = 1;
    for (const char digit : part) {
      carry = carry * 10 + static_cast<std::uint64_t>(digit - '0');
      scale *= 10;
    }
    for (char& byte : bytes) {
      carry += static_cast<unsigned char>(byte) * scale;
      byte = static_cast<char>(carry & 0xFF);
      carry >>= 8;
    }
    for (; carry != 0; carry >>= 8) bytes += static_cast<char>(carry & 0xFF);
  }
  bytes += '\0';
  if (negative) {
    unsigned carry = 1;
    for (char& byte : bytes) {
      carry += static_cast<unsigned char>(~byte);
      byte = static_cast<char>(carry & 0xFF);
      carry >>= 8;
    }
  }
  const auto has_sign = [negative](char byte) {
    return ((static_cast<unsigned char>(byte) & 0x80) != 0) == negative;
  };
  const char filler = negative ? '\xFF' : '\0';
  while (bytes.size() > 1 && bytes.back() == filler && has_sign(bytes[bytes.size() - 2])) bytes.pop_back();
  return bytes == std::string_view("\0", 1) ? std::string() : bytes;
}

}  // namespace

Writer::Writer() {
  opcode(kProto);
  opcode(2);
}

void Writer::number(std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i, value >>= 8) out_ += static_cast<char>(value & 0xFF);
}

void Writer::none() { opcode(kNone); }

void Writer::boolean(bool value) { opcode(value ? kNewTrue : kNewFalse); }

void Writer::integer(std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  if (bits <= 0xFF) {
    opcode(kBinInt1);
    number(bits, 1);
  } else if (bits <= 0xFFFF) {
    opcode(kBinInt2);
    number(bits, 2);
  } else if (std::in_range<std::int32_t>(value)) {
    opcode(kBinInt);
    number(bits, 4);
  } else {
    opcode(kLong1);
    number(8, 1);
    number(bits, 8);
  }
}

void Writer::big_integer(std::string_view decimal) {
  const std::string digits = twos_complement(decimal);
  const bool is_long = digits.size() > 0xFF;
  opcode(is_long ? kLong4 : kLong1);
  number(digits.size(), is_long ? 4 : 1);
  out_ += digits;
}

void Writer::real(double value) {
  opcode(kBinFloat);
  const auto bits = std::bit_cast<std::uint64_t>(value);
  for (int shift = 56; shift >= 0; shift -= 8) number(bits >> shift, 1);
}

void Writer::text(std::string_view utf8) { new_text(utf8); }

void Writer::word(std::string_view utf8) {
  std::string name = '"' + std::string(utf8);
  if (!recalled(name)) names_.emplace(std::move(name), new_text(utf8));
}

Memo Writer::new_text(std::string_view utf8) {
  if (!is_utf8(utf8)) {
    throw Error(ErrorCode::invalid_argument, "a text is not UTF-8 from byte " +
                                                 std::to_string(utf8_prefix(utf8)) +
                                                 " on; Python could not read it");
  }
  if (utf8.size() > std::numeric_limits<std::uint32_t>::max()) {
    throw Error(ErrorCode::invalid_argument,
                "a text of " + std::to_string(utf8.size()) + " bytes is too long");
  }
  opcode(kBinUnicode);
  number(utf8.size(), 4);
  out_ += utf8;
  return remember();
}

void Writer::bytes(std::string_view value) {
  call("_codecs", "encode", 2, [&] {
    std::string latin1;
    append_latin1_as_utf8(value, latin1);
    text(latin1);
    word("latin1");
  });
}

void Writer::global(std::string_view module, std::string_view name) {
  std::string lines(module);
  lines.append("\n").append(name).append("\n");
  if (recalled(lines)) return;
  opcode(kGlobal);
  out_ += lines;
  names_.emplace(std::move(lines), remember());
}

std::optional<Memo> Writer::end_tuple(std::size_t count) {
  if (count == 0) {
    opcode(kEmptyTuple);  // shorter than remembering it
    return std::nullopt;
  }
  opcode(count > kShortTuple ? kTuple : static_cast<unsigned char>(kTuple1 + count - 1));
  return remember();
}

void Writer::tuple(std::span<const std::int64_t> integers) {
  tuple(integers.size(), [&] {
    for (const std::int64_t value : integers) integer(value);
  });
}

Memo Writer::empty_list() {
  opcode(kEmptyList);
  return remember();
}

Memo Writer::empty_dict() {
  opcode(kEmptyDict);
  return remember();
}

Memo Writer::end_call() {
  opcode(kReduce);
  return remember();
}

Memo Writer::remember() {
  const bool small = memos_ <= 0xFF;
  opcode(small ? kBinPut : kLongBinPut);
  number(memos_, small ? 1 : 4);
  return memos_++;
}

void Writer::recall(Memo memo) {
  const bool small = memo <= 0xFF;
  opcode(small ? kBinGet : kLongBinGet);
  number(memo, small ? 1 : 4);
}

bool Writer::recalled(const std::string& name) {
  const auto known = names_.find(name);
  if (known == names_.end()) return false;
  recall(known->second);
  return true;
}

std::string Writer::finish() && {
  opcode(kStop);
  return std::move(out_);
}

}  // namespace torchferry::pickle
