#include "pickle/opcodes.h"

namespace torchferry::pickle::opcode {
namespace {

Cursor push_tuple(Machine& machine, Cursor at, std::size_t size) {
  const NodeId tuple = machine.tree().tuple(machine.peek(size));
  machine.drop(size);
  return machine.push(tuple, at);
}

Cursor push_container(Machine& machine, Cursor at, Kind kind) {
  return machine.push(machine.tree().empty(kind), at);
}

/// An opcode may only fill what Python would let it fill; above all not tensors and tuples (CVE-2026-24747).
void require_target(Machine& machine, NodeId target, Kind kind) {
  const Kind actual = machine.tree().kind(target);
  if (actual == kind || actual == Kind::object) return;
  machine.corrupt(machine.opcode_name() + " on a value that it cannot fill");
}

void require_pairs(Machine& machine, std::size_t values) {
  if (values % 2 != 0) machine.corrupt(machine.opcode_name() + " has a key without a value");
}

}  // namespace

Cursor empty_tuple(Machine& machine, Cursor at) {
  return machine.push(machine.tree().empty_tuple(), at);
}

Cursor tuple1(Machine& machine, Cursor at) { return push_tuple(machine, at, 1); }

Cursor tuple2(Machine& machine, Cursor at) { return push_tuple(machine, at, 2); }

Cursor tuple3(Machine& machine, Cursor at) { return push_tuple(machine, at, 3); }

Cursor tuple(Machine& machine, Cursor at) {
  const auto items = machine.marked();
  const NodeId tuple = items.empty() ? machine.tree().empty_tuple() : machine.tree().tuple(items);
  machine.close_mark();
  return machine.push(tuple, at);
}

Cursor empty_list(Machine& machine, Cursor at) { return push_container(machine, at, Kind::list); }

Cursor list(Machine& machine, Cursor at) {
  const auto items = machine.marked();
  const NodeId list = machine.tree().empty(Kind::list);
  machine.tree().append(list, items);
  machine.close_mark();
  return machine.push(list, at);
}

Cursor append(Machine& machine, Cursor at) {
  const auto values = machine.peek(2);
  require_target(machine, values[0], Kind::list);
  machine.tree().append(values[0], values.last(1));
  machine.drop(1);
  return at;
}

Cursor appends(Machine& machine, Cursor at) {
  const NodeId target = machine.below_mark();
  require_target(machine, target, Kind::list);
  machine.tree().append(target, machine.marked());
  machine.close_mark();
  return at;
}

Cursor empty_dict(Machine& machine, Cursor at) { return push_container(machine, at, Kind::dict); }

Cursor dict(Machine& machine, Cursor at) {
  const auto pairs = machine.marked();
  require_pairs(machine, pairs.size());
  const NodeId dict = machine.tree().empty(Kind::dict);
  machine.tree().assign(dict, pairs);
  machine.close_mark();
  return machine.push(dict, at);
}

Cursor setitem(Machine& machine, Cursor at) {
  const auto values = machine.peek(3);
  require_target(machine, values[0], Kind::dict);
  machine.tree().assign(values[0], values.last(2));
  machine.drop(2);
  return at;
}

Cursor setitems(Machine& machine, Cursor at) {
  const NodeId target = machine.below_mark();
  const auto pairs = machine.marked();
  require_target(machine, target, Kind::dict);
  require_pairs(machine, pairs.size());
  machine.tree().assign(target, pairs);
  machine.close_mark();
  return at;
}

Cursor empty_set(Machine& machine, Cursor at) { return push_container(machine, at, Kind::set); }

Cursor additems(Machine& machine, Cursor at) {
  const NodeId target = machine.below_mark();
  require_target(machine, target, Kind::set);
  machine.tree().append(target, machine.marked());
  machine.close_mark();
  return at;
}

Cursor frozenset(Machine& machine, Cursor at) {
  const NodeId set = machine.tree().frozen_set(machine.marked());
  machine.close_mark();
  return machine.push(set, at);
}

}  // namespace torchferry::pickle::opcode
