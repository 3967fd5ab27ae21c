#include "pickle/tree_text.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "pickle/wire.h"

namespace torchferry::pickle::testing {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c >= 0x20 && c < 0x7F) {
      out += c;
    } else {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(c));
      out += escaped;
    }
  }
  return out + "'";
}

std::string hex_of(std::string_view bytes) {
  std::string out = "int:";
  for (const char c : bytes) {
    char digits[4];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(c));
    out += digits;
  }
  return out;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  double back = 0;
  for (int digits = 1; digits < 17; ++digits) {
    char shorter[32];
    std::snprintf(shorter, sizeof shorter, "%.*g", digits, value);
    if (std::sscanf(shorter, "%lf", &back) == 1 && back == value) return shorter;
  }
  return text;
}

class Writer {
 public:
  explicit Writer(const Tree& tree) : tree_(tree) {}

  std::string value(NodeId id) {
    if (std::find(open_.begin(), open_.end(), id) != open_.end()) return "...";
    open_.push_back(id);
    std::string text = plain(id);
    open_.pop_back();
    return text;
  }

 private:
  std::string plain(NodeId id) {
    switch (tree_.kind(id)) {
      case Kind::none: return "None";
      case Kind::boolean: return tree_.boolean(id) ? "True" : "False";
      case Kind::integer: return std::to_string(tree_.integer(id));
      case Kind::big_integer: return hex_of(tree_.text(id));
      case Kind::real: return "r" + number(tree_.real(id));
      case Kind::string: return quoted(tree_.text(id));
      case Kind::bytes: return "b" + quoted(tree_.text(id));
      case Kind::byte_array: return "bytearray(b" + quoted(tree_.text(id)) + ")";
      case Kind::tuple: return "(" + list(tree_.items(id)) + (tree_.items(id).size() == 1 ? ",)" : ")");
      case Kind::list: return "[" + list(tree_.items(id)) + "]";
      case Kind::set: return "set(" + list(tree_.items(id)) + ")";
      case Kind::frozen_set: return "frozenset(" + list(tree_.items(id)) + ")";
      case Kind::dict: return "{" + pairs(tree_.pairs(id)) + "}";
      case Kind::global: return std::string(tree_.qualified_name(id));
      case Kind::persistent: return "persistent(" + list(tree_.items(id)) + ")";
      case Kind::object: return object(id);
    }
    return "?";
  }

  std::string object(NodeId id) {
    std::string text = tree_.construction(id) == Construction::new_object ? "new " : "";
    text += value(tree_.callable(id)) + "(" + list(tree_.items(tree_.arguments(id)));
    if (const auto keywords = tree_.keywords(id)) text += ", **" + value(*keywords);
    text += ")";
    if (!tree_.appended(id).empty()) text += ".append(" + list(tree_.appended(id)) + ")";
    if (!tree_.assigned(id).empty()) text += ".assign(" + pairs(tree_.assigned(id)) + ")";
    if (const auto state = tree_.state(id)) text += ".state(" + value(*state) + ")";
    return text;
  }

  std::string list(std::span<const NodeId> items) {
    std::string text;
    for (const NodeId item : items) text += (text.empty() ? "" : ", ") + value(item);
    return text;
  }

  std::string pairs(std::span<const NodeId> items) {
    std::string text;
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      text += (text.empty() ? "" : ", ") + value(items[i]) + ": " + value(items[i + 1]);
    }
    return text;
  }

  const Tree& tree_;
  std::vector<NodeId> open_;
};

}  // namespace

std::string text_of(const Tree& tree, NodeId id) { return Writer(tree).value(id); }

std::string text_of(const Tree& tree) { return text_of(tree, tree.root()); }

std::string text_of(const std::string& pickle) { return text_of(parse_text(pickle).tree); }

}  // namespace torchferry::pickle::testing
