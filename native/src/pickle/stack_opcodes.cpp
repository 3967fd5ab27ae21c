#include "pickle/opcodes.h"

namespace torchferry::pickle::opcode {
namespace {

constexpr unsigned kNewestProtocol = 5;

}  // namespace

Cursor proto(Machine& machine, Cursor at) {
  const unsigned protocol = machine.u8(at);
  if (protocol > kNewestProtocol) {
    machine.unsupported("pickle protocol " + std::to_string(protocol) + "; the newest known is " +
                        std::to_string(kNewestProtocol));
  }
  machine.set_protocol(protocol);
  return at;
}

// A frame only tells a reader how much to fetch at once; the opcodes in it mean the same without it.
Cursor frame(Machine& machine, Cursor at) {
  const std::uint64_t size = machine.u64(at);
  machine.require(at, size);
  return at;
}

Cursor mark(Machine& machine, Cursor at) {
  machine.open_mark();
  return at;
}

Cursor pop(Machine& machine, Cursor at) {
  if (machine.frame_is_empty()) {
    machine.close_mark();
  } else {
    machine.drop(1);
  }
  return at;
}

Cursor pop_mark(Machine& machine, Cursor at) {
  machine.close_mark();
  return at;
}

Cursor dup(Machine& machine, Cursor at) {
  return machine.push(machine.top(), at);
}

Cursor binput(Machine& machine, Cursor at) {
  machine.remember(machine.u8(at));
  return at;
}

Cursor memoize(Machine& machine, Cursor at) {
  machine.remember_next();
  return at;
}

Cursor binget(Machine& machine, Cursor at) {
  const std::uint8_t index = machine.u8(at);
  return machine.push(machine.recall(index), at);
}

Cursor long_binget(Machine& machine, Cursor at) {
  const std::uint32_t index = machine.u32(at);
  return machine.push(machine.recall(index), at);
}

Cursor refused_text(Machine& machine, Cursor) {
  machine.unsupported("opcode " + machine.opcode_name() +
                      " of pickle protocols 0 and 1; write the file again with protocol 2, "
                      "torch.save's default");
}

Cursor refused_extension(Machine& machine, Cursor) {
  machine.unsupported("opcode " + machine.opcode_name() +
                      " needs Python's registry of extension codes; write the file again without "
                      "copyreg.add_extension");
}

Cursor refused_buffer(Machine& machine, Cursor) {
  machine.unsupported("opcode " + machine.opcode_name() +
                      " refers to a buffer outside the pickle; write the file again without buffer_callback");
}

Cursor unknown(Machine& machine, Cursor) { machine.corrupt("unknown " + machine.opcode_name()); }

}  // namespace torchferry::pickle::opcode
