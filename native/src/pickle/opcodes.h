#pragma once

#include <array>
#include <cstdint>

#include "pickle/stack_machine.h"

namespace torchferry::pickle {

/// Runs one opcode whose operands start at `at`; returns where the next opcode stands.
using OpcodeFunction = Cursor (*)(Machine& machine, Cursor at);

struct Opcode {
  const char* name;  ///< as Python's pickle module has it; null where no opcode has the number
  OpcodeFunction run;
};

/// By number; STOP is the machine's own.
extern const std::array<Opcode, 256> kOpcodes;

namespace opcode {

inline constexpr std::uint8_t kStop = 0x2E;
inline constexpr std::uint8_t kShortBinstring = 0x55;
inline constexpr std::uint8_t kLongBinput = 0x72;

// value_opcodes.cpp
Cursor none(Machine& machine, Cursor at);
Cursor new_true(Machine& machine, Cursor at);
Cursor new_false(Machine& machine, Cursor at);
Cursor binint1(Machine& machine, Cursor at);
Cursor binint2(Machine& machine, Cursor at);
Cursor binint(Machine& machine, Cursor at);
Cursor long1(Machine& machine, Cursor at);
Cursor long4(Machine& machine, Cursor at);
Cursor binfloat(Machine& machine, Cursor at);
Cursor short_binunicode(Machine& machine, Cursor at);
Cursor binunicode(Machine& machine, Cursor at);
Cursor binunicode8(Machine& machine, Cursor at);
Cursor short_binstring(Machine& machine, Cursor at);
Cursor binstring(Machine& machine, Cursor at);
Cursor short_binbytes(Machine& machine, Cursor at);
Cursor binbytes(Machine& machine, Cursor at);
Cursor binbytes8(Machine& machine, Cursor at);
Cursor bytearray8(Machine& machine, Cursor at);

// container_opcodes.cpp
Cursor empty_tuple(Machine& machine, Cursor at);
Cursor tuple1(Machine& machine, Cursor at);
Cursor tuple2(Machine& machine, Cursor at);
Cursor tuple3(Machine& machine, Cursor at);
Cursor tuple(Machine& machine, Cursor at);
Cursor empty_list(Machine& machine, Cursor at);
Cursor list(Machine& machine, Cursor at);
Cursor append(Machine& machine, Cursor at);
Cursor appends(Machine& machine, Cursor at);
Cursor empty_dict(Machine& machine, Cursor at);
Cursor dict(Machine& machine, Cursor at);
Cursor setitem(Machine& machine, Cursor at);
Cursor setitems(Machine& machine, Cursor at);
Cursor empty_set(Machine& machine, Cursor at);
Cursor additems(Machine& machine, Cursor at);
Cursor frozenset(Machine& machine, Cursor at);

// object_opcodes.cpp
Cursor global(Machine& machine, Cursor at);
Cursor stack_global(Machine& machine, Cursor at);
Cursor reduce(Machine& machine, Cursor at);
Cursor newobj(Machine& machine, Cursor at);
Cursor newobj_ex(Machine& machine, Cursor at);
Cursor build(Machine& machine, Cursor at);
Cursor binpersid(Machine& machine, Cursor at);

// stack_opcodes.cpp: the stack, the memo, the framing, and what is refused
Cursor proto(Machine& machine, Cursor at);
Cursor frame(Machine& machine, Cursor at);
Cursor mark(Machine& machine, Cursor at);
Cursor pop(Machine& machine, Cursor at);
Cursor pop_mark(Machine& machine, Cursor at);
Cursor dup(Machine& machine, Cursor at);
Cursor binput(Machine& machine, Cursor at);
inline Cursor long_binput(Machine& machine, Cursor at) {
  machine.remember(machine.u32(at));
  return at;
}
Cursor memoize(Machine& machine, Cursor at);
Cursor binget(Machine& machine, Cursor at);
Cursor long_binget(Machine& machine, Cursor at);
Cursor refused_text(Machine& machine, Cursor at);
Cursor refused_extension(Machine& machine, Cursor at);
Cursor refused_buffer(Machine& machine, Cursor at);
Cursor unknown(Machine& machine, Cursor at);

}  // namespace opcode
}  // namespace torchferry::pickle
