#include "base/utf8.h"
#include "pickle/opcodes.h"
#include "pickle/plain_values.h"

namespace torchferry::pickle::opcode {
namespace {

NodeId make_global(Machine& machine, GlobalName name) {
  // Python maps the names for protocols 0 to 2 alone; a protocol 3 class may well be called `Queue.long`.
  if (machine.protocol() < 3) name = python3_name(name);
  return machine.tree().global(current_torch_name(name));
}

void require_callable(Machine& machine, NodeId callable) {
  const Kind kind = machine.tree().kind(callable);
  if (kind != Kind::global && kind != Kind::object && kind != Kind::persistent) {
    machine.corrupt(machine.opcode_name() + " of a plain value, which cannot be called");
  }
}

void require_kind(Machine& machine, NodeId value, Kind kind, const char* what) {
  if (machine.tree().kind(value) != kind) machine.corrupt(machine.opcode_name() + " without " + what);
}

}  // namespace

Cursor global(Machine& machine, Cursor at) {
  GlobalName name;
  name.module = machine.line(at);
  name.name = machine.line(at);
  if (!is_utf8(name.module) || !is_utf8(name.name)) machine.corrupt("GLOBAL with a name that is not UTF-8");
  return machine.push(make_global(machine, name), at);
}

Cursor stack_global(Machine& machine, Cursor at) {
  const auto names = machine.peek(2);
  require_kind(machine, names[0], Kind::string, "a module name");
  require_kind(machine, names[1], Kind::string, "a name");
  const NodeId global = make_global(machine, {machine.tree().text(names[0]), machine.tree().text(names[1])});
  machine.drop(2);
  return machine.push(global, at);
}

Cursor reduce(Machine& machine, Cursor at) {
  TreeBuilder& tree = machine.tree();
  const auto values = machine.peek(2);
  const NodeId callable = values[0];
  const NodeId arguments = values[1];
  require_callable(machine, callable);
  require_kind(machine, arguments, Kind::tuple, "a tuple of arguments");
  std::optional<NodeId> value;
  if (tree.plain_call(callable) != PlainCall::none) value = plain_value(tree, callable, arguments);
  machine.drop(2);
  return machine.push(value ? *value : tree.object(Construction::reduce, callable, arguments), at);
}

Cursor newobj(Machine& machine, Cursor at) {
  const auto values = machine.peek(2);
  require_callable(machine, values[0]);
  require_kind(machine, values[1], Kind::tuple, "a tuple of arguments");
  const NodeId object = machine.tree().object(Construction::new_object, values[0], values[1]);
  machine.drop(2);
  return machine.push(object, at);
}

Cursor newobj_ex(Machine& machine, Cursor at) {
  const auto values = machine.peek(3);
  require_callable(machine, values[0]);
  require_kind(machine, values[1], Kind::tuple, "a tuple of arguments");
  require_kind(machine, values[2], Kind::dict, "a dict of keyword arguments");
  const NodeId object = machine.tree().object(Construction::new_object, values[0], values[1]);
  if (!machine.tree().pairs(values[2]).empty()) machine.tree().give_keywords(object, values[2]);
  machine.drop(3);
  return machine.push(object, at);
}

Cursor build(Machine& machine, Cursor at) {
  const auto values = machine.peek(2);
  require_kind(machine, values[0], Kind::object, "an object to give the state to");
  machine.tree().build(values[0], values[1]);
  machine.drop(1);
  return at;
}

Cursor binpersid(Machine& machine, Cursor at) {
  const NodeId persistent = machine.tree().persistent(machine.top());
  machine.drop(1);
  return machine.push(persistent, at);
}

}  // namespace torchferry::pickle::opcode
