#include "pickle/opcodes.h"

namespace torchferry::pickle {
namespace {

struct Row {
  std::uint8_t number;
  Opcode opcode;
};

constexpr Row kRows[] = {
    {0x28, {"MARK", opcode::mark}},
    {0x29, {"EMPTY_TUPLE", opcode::empty_tuple}},
    {opcode::kStop, {"STOP", opcode::unknown}},
    {0x30, {"POP", opcode::pop}},
    {0x31, {"POP_MARK", opcode::pop_mark}},
    {0x32, {"DUP", opcode::dup}},
    {0x42, {"BINBYTES", opcode::binbytes}},
    {0x43, {"SHORT_BINBYTES", opcode::short_binbytes}},
    {0x46, {"FLOAT", opcode::refused_text}},
    {0x47, {"BINFLOAT", opcode::binfloat}},
    {0x49, {"INT", opcode::refused_text}},
    {0x4A, {"BININT", opcode::binint}},
    {0x4B, {"BININT1", opcode::binint1}},
    {0x4C, {"LONG", opcode::refused_text}},
    {0x4D, {"BININT2", opcode::binint2}},
    {0x4E, {"NONE", opcode::none}},
    {0x50, {"PERSID", opcode::refused_text}},
    {0x51, {"BINPERSID", opcode::binpersid}},
    {0x52, {"REDUCE", opcode::reduce}},
    {0x53, {"STRING", opcode::refused_text}},
    {0x54, {"BINSTRING", opcode::binstring}},
    {opcode::kShortBinstring, {"SHORT_BINSTRING", opcode::short_binstring}},
    {0x56, {"UNICODE", opcode::refused_text}},
    {0x58, {"BINUNICODE", opcode::binunicode}},
    {0x5D, {"EMPTY_LIST", opcode::empty_list}},
    {0x61, {"APPEND", opcode::append}},
    {0x62, {"BUILD", opcode::build}},
    {0x63, {"GLOBAL", opcode::global}},
    {0x64, {"DICT", opcode::dict}},
    {0x65, {"APPENDS", opcode::appends}},
    {0x67, {"GET", opcode::refused_text}},
    {0x68, {"BINGET", opcode::binget}},
    {0x69, {"INST", opcode::refused_text}},
    {0x6A, {"LONG_BINGET", opcode::long_binget}},
    {0x6C, {"LIST", opcode::list}},
    {0x6F, {"OBJ", opcode::refused_text}},
    {0x70, {"PUT", opcode::refused_text}},
    {0x71, {"BINPUT", opcode::binput}},
    {0x72, {"LONG_BINPUT", opcode::long_binput}},
    {0x73, {"SETITEM", opcode::setitem}},
    {0x74, {"TUPLE", opcode::tuple}},
    {0x75, {"SETITEMS", opcode::setitems}},
    {0x7D, {"EMPTY_DICT", opcode::empty_dict}},
    {0x80, {"PROTO", opcode::proto}},
    {0x81, {"NEWOBJ", opcode::newobj}},
    {0x82, {"EXT1", opcode::refused_extension}},
    {0x83, {"EXT2", opcode::refused_extension}},
    {0x84, {"EXT4", opcode::refused_extension}},
    {0x85, {"TUPLE1", opcode::tuple1}},
    {0x86, {"TUPLE2", opcode::tuple2}},
    {0x87, {"TUPLE3", opcode::tuple3}},
    {0x88, {"NEWTRUE", opcode::new_true}},
    {0x89, {"NEWFALSE", opcode::new_false}},
    {0x8A, {"LONG1", opcode::long1}},
    {0x8B, {"LONG4", opcode::long4}},
    {0x8C, {"SHORT_BINUNICODE", opcode::short_binunicode}},
    {0x8D, {"BINUNICODE8", opcode::binunicode8}},
    {0x8E, {"BINBYTES8", opcode::binbytes8}},
    {0x8F, {"EMPTY_SET", opcode::empty_set}},
    {0x90, {"ADDITEMS", opcode::additems}},
    {0x91, {"FROZENSET", opcode::frozenset}},
    {0x92, {"NEWOBJ_EX", opcode::newobj_ex}},
    {0x93, {"STACK_GLOBAL", opcode::stack_global}},
    {0x94, {"MEMOIZE", opcode::memoize}},
    {0x95, {"FRAME", opcode::frame}},
    {0x96, {"BYTEARRAY8", opcode::bytearray8}},
    {0x97, {"NEXT_BUFFER", opcode::refused_buffer}},
    {0x98, {"READONLY_BUFFER", opcode::refused_buffer}},
};

constexpr std::array<Opcode, 256> by_number() {
  std::array<Opcode, 256> table{};
  for (Opcode& entry : table) entry = {nullptr, opcode::unknown};
  for (const Row& row : kRows) table[row.number] = row.opcode;
  return table;
}

}  // namespace

constinit const std::array<Opcode, 256> kOpcodes = by_number();

}  // namespace torchferry::pickle
