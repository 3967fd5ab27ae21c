#include <algorithm>
#include <cctype>
#include <cstring>

#include "base/checked.h"
#include "table/content.h"
#include "table/values.h"

namespace torchferry {

using pickle::Kind;

namespace {

/// A numpy dtype of plain numbers: REDUCE numpy.dtype (code, …) with BUILD (version, byte order, …).
struct NumpyType {
  std::string name;    ///< with the byte order that the value has after reading: "<f4", "|b1"
  std::uint64_t size;  ///< bytes of an element
  std::uint64_t unit;  ///< bytes that a byte order applies to
  bool swap;
};

/// The unit of a datetime64 or timedelta64, as numpy writes it behind the code: "[D]", "[25s]". Version 4 of the dtype's
/// state keeps it as (metadata, (unit, count, …)).
std::string datetime_unit(const Tree& tree, NodeId field) {
  if (tree.kind(field) != Kind::tuple || tree.items(field).size() != 2) return {};
  const NodeId pair = tree.items(field)[1];
  if (tree.kind(pair) != Kind::tuple || tree.items(pair).size() < 2) return {};
  const NodeId unit = tree.items(pair)[0];
  const NodeId count = tree.items(pair)[1];
  if ((tree.kind(unit) != Kind::bytes && tree.kind(unit) != Kind::string) || tree.kind(count) != Kind::integer) return {};
  const std::string number = tree.integer(count) == 1 ? "" : std::to_string(tree.integer(count));
  return "[" + number + std::string(tree.text(unit)) + "]";
}

std::optional<NumpyType> numpy_type(const Tree& tree, NodeId node) {
  if (tree.kind(node) != Kind::object || class_name(tree, node) != "numpy.dtype") return std::nullopt;
  if (tree.kind(tree.arguments(node)) != Kind::tuple || tree.items(tree.arguments(node)).empty()) return std::nullopt;
  const NodeId code_node = tree.items(tree.arguments(node))[0];
  if (tree.kind(code_node) != Kind::string) return std::nullopt;
  const std::string code(tree.text(code_node));
  if (code.size() < 2 || code.size() > 9 || std::strchr("biufcUSMm", code[0]) == nullptr) return std::nullopt;
  std::uint64_t number = 0;
  for (const char digit : code.substr(1)) {
    if (std::isdigit(static_cast<unsigned char>(digit)) == 0) return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  char order = '|';
  std::string unit;
  if (const auto state = tree.state(node); state && tree.kind(*state) == Kind::tuple) {
    const auto fields = tree.items(*state);
    if (fields.size() > 1 && tree.kind(fields[1]) == Kind::string && tree.text(fields[1]).size() == 1) {
      order = tree.text(fields[1])[0];
    }
    if (fields.size() > 8 && (code[0] == 'M' || code[0] == 'm')) unit = datetime_unit(tree, fields[8]);
  }
  NumpyType type;
  type.size = code[0] == 'U' ? number * 4 : number;
  type.unit = code[0] == 'U' ? 4 : code[0] == 'c' ? number / 2 : code[0] == 'S' ? 1 : number;
  type.swap = order == '>' && type.unit > 1;
  type.name = (type.unit > 1 ? "<" : "|") + code + unit;
  if (type.size == 0 || type.size > 1 << 20) return std::nullopt;
  return type;
}

ValuePtr array_of(const NumpyType& type, std::vector<std::int64_t> shape, std::string_view bytes, bool fortran) {
  std::uint64_t count = 1;
  for (const std::int64_t size : shape) {
    const auto product = size < 0 ? std::nullopt : checked_mul(count, static_cast<std::uint64_t>(size));
    if (!product) return nullptr;
    count = *product;
  }
  const auto expected = checked_mul(count, type.size);
  if (!expected || *expected != bytes.size()) return nullptr;
  auto value = std::make_shared<Value>();
  value->kind = Value::Kind::array;
  value->class_name = type.name;
  value->text.assign(bytes);
  if (fortran && shape.size() > 1 && count > 0) {
    std::vector<std::uint64_t> index(shape.size(), 0);
    for (std::uint64_t i = 0; i < count; ++i) {
      std::uint64_t from = 0;
      for (std::size_t d = shape.size(); d-- > 0;) from = from * static_cast<std::uint64_t>(shape[d]) + index[d];
      std::memcpy(value->text.data() + i * type.size, bytes.data() + from * type.size, type.size);
      for (std::size_t d = shape.size(); d-- > 0 && ++index[d] == static_cast<std::uint64_t>(shape[d]);) index[d] = 0;
    }
  }
  if (type.swap) {
    for (std::size_t i = 0; i + type.unit <= value->text.size(); i += type.unit) {
      std::reverse(value->text.begin() + static_cast<std::ptrdiff_t>(i),
                   value->text.begin() + static_cast<std::ptrdiff_t>(i + type.unit));
    }
  }
  value->shape = std::move(shape);
  return value;
}

std::optional<std::vector<std::int64_t>> shape_of(const Tree& tree, NodeId node) {
  if (tree.kind(node) != Kind::tuple) return std::nullopt;
  std::vector<std::int64_t> shape;
  for (const NodeId size : tree.items(node)) {
    if (tree.kind(size) != Kind::integer) return std::nullopt;
    shape.push_back(tree.integer(size));
  }
  return shape;
}

std::optional<std::string_view> raw_bytes(const Tree& tree, NodeId node) {
  const Kind kind = tree.kind(node);
  if (kind != Kind::bytes && kind != Kind::byte_array) return std::nullopt;
  return tree.text(node);
}

/// scalar(dtype, bytes)
ValuePtr scalar(const Tree& tree, std::span<const NodeId> arguments) {
  if (arguments.size() != 2) return nullptr;
  const auto type = numpy_type(tree, arguments[0]);
  const auto bytes = raw_bytes(tree, arguments[1]);
  return type && bytes ? array_of(*type, {}, *bytes, false) : nullptr;
}

/// _reconstruct(ndarray, (0,), b'b') with BUILD (version, shape, dtype, is_fortran, bytes)
ValuePtr reconstructed(const Tree& tree, NodeId object) {
  const auto state = tree.state(object);
  if (!state || tree.kind(*state) != Kind::tuple || tree.items(*state).size() != 5) return nullptr;
  const auto fields = tree.items(*state);
  auto shape = shape_of(tree, fields[1]);
  const auto type = numpy_type(tree, fields[2]);
  const auto bytes = raw_bytes(tree, fields[4]);
  if (!shape || !type || !bytes || tree.kind(fields[3]) != Kind::boolean) return nullptr;
  return array_of(*type, std::move(*shape), *bytes, tree.boolean(fields[3]));
}

/// _frombuffer(buffer, dtype, shape, order), as protocol 5 writes arrays
ValuePtr from_buffer(const Tree& tree, std::span<const NodeId> arguments) {
  if (arguments.size() != 4 || tree.kind(arguments[3]) != Kind::string) return nullptr;
  auto shape = shape_of(tree, arguments[2]);
  const auto type = numpy_type(tree, arguments[1]);
  const auto bytes = raw_bytes(tree, arguments[0]);
  if (!shape || !type || !bytes) return nullptr;
  return array_of(*type, std::move(*shape), *bytes, tree.text(arguments[3]) == "F");
}

}  // namespace

ValuePtr numpy_value(const Tree& tree, NodeId object) {
  const std::string_view name = class_name(tree, object);
  if (!name.starts_with("numpy.") || tree.kind(tree.arguments(object)) != Kind::tuple) return nullptr;
  const auto arguments = tree.items(tree.arguments(object));
  if (name.ends_with(".multiarray.scalar")) return scalar(tree, arguments);
  if (name.ends_with(".multiarray._reconstruct")) return reconstructed(tree, object);
  if (name.ends_with(".numeric._frombuffer")) return from_buffer(tree, arguments);
  return nullptr;
}

}  // namespace torchferry
