#include <bit>

#include "base/utf8.h"
#include "pickle/opcodes.h"

namespace torchferry::pickle::opcode {
namespace {

/// Bytes of the shortest two's complement form of the same little-endian number.
std::size_t shortest(std::string_view bytes) {
  std::size_t size = bytes.size();
  while (size > 1) {
    const auto last = static_cast<unsigned char>(bytes[size - 1]);
    const bool negative = (static_cast<unsigned char>(bytes[size - 2]) & 0x80u) != 0;
    if (last != (negative ? 0xFF : 0x00)) break;
    --size;
  }
  return size;
}

std::int64_t small_integer(std::string_view bytes) {
  const bool negative = !bytes.empty() && (static_cast<unsigned char>(bytes.back()) & 0x80u) != 0;
  std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return static_cast<std::int64_t>(value);
}

Cursor push_long(Machine& machine, Cursor at, std::string_view bytes) {
  const std::uint32_t limit = machine.limits().integer_bytes;
  if (bytes.size() > limit) {
    const std::string what = "an integer of " + std::to_string(bytes.size()) + " bytes";
    machine.tree().passed_limit("integer_bytes", limit, what);
  }
  bytes = bytes.substr(0, shortest(bytes));
  return machine.push(bytes.size() <= 8 ? machine.tree().integer(small_integer(bytes))
                                        : machine.tree().text(Kind::big_integer, bytes), at);
}

Cursor push_string(Machine& machine, Cursor at, std::uint64_t size) {
  const std::string_view text = machine.take(at, size);
  const std::size_t good = utf8_prefix(text);
  if (good != text.size()) {
    machine.corrupt(machine.opcode_name() + " text is not UTF-8 at its byte " + std::to_string(good));
  }
  return machine.push(machine.tree().text(Kind::string, text), at);
}

Cursor push_bytes(Machine& machine, Cursor at, Kind kind, std::uint64_t size) {
  const std::string_view payload = machine.take(at, size);
  return machine.push(machine.tree().text(kind, payload), at);
}

/// A signed 32-bit length, as the older opcodes have it.
std::uint32_t length(Machine& machine, Cursor& at) {
  const std::uint32_t size = machine.u32(at);
  if (size > 0x7FFFFFFFu) {
    machine.corrupt(machine.opcode_name() + " has the negative length " +
                    std::to_string(static_cast<std::int32_t>(size)));
  }
  return size;
}

}  // namespace

Cursor none(Machine& machine, Cursor at) {
  return machine.push(machine.tree().none(), at);
}

Cursor new_true(Machine& machine, Cursor at) {
  return machine.push(machine.tree().boolean(true), at);
}

Cursor new_false(Machine& machine, Cursor at) {
  return machine.push(machine.tree().boolean(false), at);
}

Cursor binint1(Machine& machine, Cursor at) {
  const std::uint8_t value = machine.u8(at);
  return machine.push(machine.tree().integer(value), at);
}

Cursor binint2(Machine& machine, Cursor at) {
  const std::uint16_t value = machine.u16(at);
  return machine.push(machine.tree().integer(value), at);
}

Cursor binint(Machine& machine, Cursor at) {
  const auto value = static_cast<std::int32_t>(machine.u32(at));
  return machine.push(machine.tree().integer(value), at);
}

Cursor long1(Machine& machine, Cursor at) {
  const std::uint8_t size = machine.u8(at);
  const std::string_view bytes = machine.take(at, size);
  return push_long(machine, at, bytes);
}

Cursor long4(Machine& machine, Cursor at) {
  const std::uint32_t size = length(machine, at);
  const std::string_view bytes = machine.take(at, size);
  return push_long(machine, at, bytes);
}

Cursor binfloat(Machine& machine, Cursor at) {
  const std::uint64_t big_endian = machine.u64(at);
  return machine.push(machine.tree().real(std::bit_cast<double>(__builtin_bswap64(big_endian))), at);
}

Cursor short_binunicode(Machine& machine, Cursor at) {
  const std::uint8_t size = machine.u8(at);
  return push_string(machine, at, size);
}

Cursor binunicode(Machine& machine, Cursor at) {
  const std::uint32_t size = machine.u32(at);
  return push_string(machine, at, size);
}

Cursor binunicode8(Machine& machine, Cursor at) {
  const std::uint64_t size = machine.u64(at);
  return push_string(machine, at, size);
}

Cursor short_binstring(Machine& machine, Cursor at) {
  const std::uint8_t size = machine.u8(at);
  const std::string_view bytes = machine.take(at, size);
  return machine.push(machine.tree().python2_string(bytes), at);
}

Cursor binstring(Machine& machine, Cursor at) {
  const std::uint32_t size = length(machine, at);
  const std::string_view bytes = machine.take(at, size);
  return machine.push(machine.tree().python2_string(bytes), at);
}

Cursor short_binbytes(Machine& machine, Cursor at) {
  const std::uint8_t size = machine.u8(at);
  return push_bytes(machine, at, Kind::bytes, size);
}

Cursor binbytes(Machine& machine, Cursor at) {
  const std::uint32_t size = machine.u32(at);
  return push_bytes(machine, at, Kind::bytes, size);
}

Cursor binbytes8(Machine& machine, Cursor at) {
  const std::uint64_t size = machine.u64(at);
  return push_bytes(machine, at, Kind::bytes, size);
}

Cursor bytearray8(Machine& machine, Cursor at) {
  const std::uint64_t size = machine.u64(at);
  return push_bytes(machine, at, Kind::byte_array, size);
}

}  // namespace torchferry::pickle::opcode
