#include "torch/save_numpy.h"

#include <torchferry/error.h>

#include <cctype>
#include <charconv>
#include <optional>
#include <string_view>

#include "base/checked.h"

namespace torchferry {
namespace {

using pickle::Memo;

constexpr std::string_view kMultiarray = "numpy._core.multiarray";

/// A dtype in numpy's form: "<f4", "|S3", "<M8[25s]".
struct NumpyType {
  std::string order;  ///< "<" or "|"
  char kind;
  std::uint64_t number;  ///< bytes; code points of 'U'
  std::string unit;      ///< of a date: "s"
  std::int64_t count;    ///< of its units
};

[[noreturn]] void refuse(const std::string& type) {
  throw Error(ErrorCode::invalid_argument, "'" + type + "' is no type of numpy that is written");
}

std::uint64_t leading_number(std::string_view& text, std::uint64_t otherwise) {
  std::uint64_t value = otherwise;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{}) text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

NumpyType parsed(const std::string& type) {
  if (type.size() < 3 || (type[0] != '<' && type[0] != '|')) refuse(type);
  NumpyType parsed{type.substr(0, 1), type[1], 0, {}, 1};
  if (std::string_view("biufcUSMm").find(parsed.kind) == std::string_view::npos) refuse(type);
  std::string_view rest = std::string_view(type).substr(2);
  parsed.number = leading_number(rest, 0);
  const bool is_date = parsed.kind == 'M' || parsed.kind == 'm';
  if (is_date && rest.size() > 2 && rest.front() == '[' && rest.back() == ']') {
    rest = rest.substr(1, rest.size() - 2);
    parsed.count = static_cast<std::int64_t>(leading_number(rest, 1));
    parsed.unit = rest;
    rest = {};
  }
  if (parsed.number == 0 || parsed.number > (1 << 20) || !rest.empty()) refuse(type);
  return parsed;
}

void require_size(const Content::Node& array, const NumpyType& type) {
  std::optional<std::uint64_t> bytes = type.kind == 'U' ? type.number * 4 : type.number;
  for (const std::int64_t size : array.shape) {
    bytes = size < 0 || !bytes ? std::nullopt : checked_mul(*bytes, static_cast<std::uint64_t>(size));
  }
  if (!bytes || *bytes != array.text.size()) {
    throw Error(ErrorCode::invalid_argument, "a numpy array of " + std::to_string(array.text.size()) +
                                                 " bytes does not have the shape that it is given");
  }
}

}  // namespace

Memo NumpyPickle::write(const Content::Node& array) {
  require_size(array, parsed(array.class_name));
  if (array.shape.empty()) {
    return out_.call(kMultiarray, "scalar", 2, [&] {
      write_type(array.class_name);
      out_.bytes(array.text);
    });
  }
  const Memo memo = out_.call(kMultiarray, "_reconstruct", 3, [&] {
    out_.global("numpy", "ndarray");
    out_.tuple(1, [&] { out_.integer(0); });
    out_.bytes("b");
  });
  out_.build([&] {
    out_.tuple(5, [&] {
      out_.integer(1);
      out_.tuple(array.shape);
      write_type(array.class_name);
      out_.boolean(false);
      out_.bytes(array.text);
    });
  });
  return memo;
}

void NumpyPickle::write_type(const std::string& name) {
  if (const auto known = types_.find(name); known != types_.end()) return out_.recall(known->second);
  const NumpyType type = parsed(name);
  const Memo memo = out_.call("numpy", "dtype", 3, [&] {
    out_.word(std::string(1, type.kind) + std::to_string(type.number));
    out_.boolean(false);
    out_.boolean(true);
  });
  const bool is_text = type.kind == 'U' || type.kind == 'S';
  const auto bytes = static_cast<std::int64_t>(type.kind == 'U' ? type.number * 4 : type.number);
  out_.build([&] {
    out_.tuple(type.unit.empty() ? 8 : 9, [&] {
      out_.integer(type.unit.empty() ? 3 : 4);
      out_.word(type.order);
      for (int i = 0; i < 3; ++i) out_.none();
      out_.integer(is_text ? bytes : -1);
      out_.integer(type.kind == 'U' ? 4 : is_text ? 1 : -1);
      out_.integer(type.kind == 'U' ? 8 : 0);
      if (type.unit.empty()) return;
      out_.tuple(2, [&] {
        out_.none();
        out_.tuple(4, [&] {
          out_.bytes(type.unit);
          out_.integer(type.count);
          out_.integer(1);
          out_.integer(1);
        });
      });
    });
  });
  types_.emplace(name, memo);
}

}  // namespace torchferry
