#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace torchferry {

struct Value;
using ValuePtr = std::shared_ptr<const Value>;

/// A value of a checkpoint's content, as inert data: what Python would have made of it is said by `kind`, and objects
/// of classes that are not known stay what they were written as. Immutable; a value reachable on two paths is one
/// object; never cyclic. No libtorch needed.
struct Value {
  enum class Kind : std::uint8_t {
    none,
    boolean,   ///< integer != 0
    integer,   ///< integer
    big_int,   ///< text: decimal digits, for an int beyond 64 bits
    real,      ///< real
    complex,   ///< real, imaginary
    string,    ///< text: UTF-8, lone surrogates as three bytes
    bytes,     ///< text: bytes and bytearray
    list,      ///< items
    tuple,     ///< items (torch.Size too)
    set,       ///< items
    dict,      ///< entries, in order; class_name "collections.OrderedDict" etc. when not a plain dict
    tensor,    ///< tensor: row of the TensorTable; class_name when not a plain tensor ("torch.nn.Parameter")
    array,     ///< a numpy array or scalar: text holds the elements in C order, little-endian; class_name the dtype
               ///< in numpy's form ("<f4"), shape the sizes (empty for a scalar)
    dtype,     ///< text: torch's name without "torch."
    device,    ///< text: "cuda:1"
    global,    ///< text: "module.name" of a class or function that was named, not called
    object,    ///< class_name; items: constructor arguments; entries: what was assigned or set as state
  };

  Kind kind = Kind::none;
  std::int64_t integer = 0;
  double real = 0;
  double imaginary = 0;
  std::uint32_t tensor = 0;
  std::string text;
  std::string class_name;
  std::vector<std::int64_t> shape;
  std::vector<ValuePtr> items;
  std::vector<std::pair<ValuePtr, ValuePtr>> entries;
  /// Attributes of a dict (an OrderedDict's `_metadata`) or the appended elements of an object under "[]".
  std::vector<std::pair<ValuePtr, ValuePtr>> attributes;

  Value() = default;
  Value(const Value&) = default;
  Value& operator=(const Value&) = default;
  /// Takes little stack, however deep the value is.
  ~Value();
};

}  // namespace torchferry
