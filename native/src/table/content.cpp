#include "table/content.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <functional>

#include "table/torch_names.h"

namespace torchferry {

using pickle::Kind;

std::string_view class_name(const Tree& tree, NodeId object) {
  if (tree.kind(object) != Kind::object) return {};
  NodeId callable = tree.callable(object);
  if (tree.kind(callable) == Kind::persistent) {
    // ('module', class, source file, source) of the legacy format; without the first word in the tar format.
    const NodeId id = tree.items(callable)[0];
    if (tree.kind(id) != Kind::tuple || tree.items(id).size() < 2) return {};
    callable = tree.items(id)[tree.kind(tree.items(id)[0]) == Kind::global ? 0 : 1];
  }
  return tree.kind(callable) == Kind::global ? tree.qualified_name(callable) : std::string_view{};
}

NodeId unwrap(const Tree& tree, NodeId node) {
  for (int wrappers = 0; wrappers < 16 && tree.kind(node) == Kind::object; ++wrappers) {
    const std::string_view name = class_name(tree, node);
    if (!name.starts_with("torch.jit._pickle.") || rebuild_function(name) != Rebuild::transparent) break;
    const NodeId arguments = tree.arguments(node);
    if (tree.kind(arguments) != Kind::tuple || tree.items(arguments).empty()) break;
    node = tree.items(arguments)[0];
  }
  return node;
}

bool is_mapping(const Tree& tree, NodeId node) {
  if (tree.kind(node) == Kind::dict) return true;
  if (tree.kind(node) != Kind::object) return false;
  const std::string_view name = class_name(tree, node);
  return name == "collections.OrderedDict" || name == "collections.defaultdict" || name == "collections.Counter";
}

namespace {

constexpr std::uint32_t kEmpty = 0xFFFF'FFFF;

/// Items that the constructor's arguments give: Counter({...}) and OrderedDict([[k, v], ...]).
void add_constructor_items(const Tree& tree, NodeId mapping, std::vector<NodePair>& items) {
  const NodeId arguments = tree.arguments(mapping);
  if (tree.kind(arguments) != Kind::tuple) return;
  for (const NodeId argument : tree.items(arguments)) {
    if (tree.kind(argument) == Kind::dict) {
      const auto pairs = tree.pairs(argument);
      for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) items.emplace_back(pairs[i], pairs[i + 1]);
    } else if (tree.kind(argument) == Kind::list) {
      for (const NodeId element : tree.items(argument)) {
        const Kind kind = tree.kind(element);
        if (kind != Kind::list && kind != Kind::tuple) continue;
        const auto pair = tree.items(element);
        if (pair.size() == 2) items.emplace_back(pair[0], pair[1]);
      }
    }
  }
}

bool is_comparable(Kind kind) { return kind == Kind::string || kind == Kind::integer; }

std::size_t key_hash(const Tree& tree, NodeId key) {
  return tree.kind(key) == Kind::string ? std::hash<std::string_view>{}(tree.text(key))
                                        : std::hash<std::int64_t>{}(tree.integer(key)) * 0x9E3779B97F4A7C15;
}

bool same_key(const Tree& tree, NodeId a, NodeId b) {
  if (a == b) return true;
  if (tree.kind(a) != tree.kind(b)) return false;
  return tree.kind(a) == Kind::string ? tree.text(a) == tree.text(b) : tree.integer(a) == tree.integer(b);
}

/// Drops keys set again later, keeping the first place and the last value. Only strings and integers are compared:
/// they are what a repeated SETITEM can be told by without Python's own notion of equality.
void keep_last_values(const Tree& tree, std::vector<NodePair>& items) {
  if (items.size() < 2) return;
  const std::size_t mask = std::bit_ceil(items.size() * 2) - 1;
  std::vector<std::uint32_t> slots(mask + 1, kEmpty);
  std::size_t kept = 0;
  for (const NodePair& item : items) {
    std::size_t place = kept;
    if (is_comparable(tree.kind(item.first))) {
      std::size_t slot = key_hash(tree, item.first) & mask;
      while (slots[slot] != kEmpty && !same_key(tree, items[slots[slot]].first, item.first)) slot = (slot + 1) & mask;
      if (slots[slot] == kEmpty) {
        slots[slot] = static_cast<std::uint32_t>(kept);
      } else {
        place = slots[slot];
      }
    }
    if (place == kept) {
      items[kept++] = item;
    } else {
      items[place].second = item.second;
    }
  }
  items.resize(kept);
}

}  // namespace

std::vector<NodePair> mapping_items(const Tree& tree, NodeId mapping) {
  std::vector<NodePair> items;
  const bool plain = tree.kind(mapping) == Kind::dict;
  const auto pairs = plain ? tree.pairs(mapping) : tree.assigned(mapping);
  items.reserve(pairs.size() / 2);
  if (!plain) add_constructor_items(tree, mapping, items);
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) items.emplace_back(pairs[i], pairs[i + 1]);
  keep_last_values(tree, items);
  return items;
}

std::optional<NodeId> mapping_get(const Tree& tree, NodeId mapping, std::string_view key) {
  if (!is_mapping(tree, mapping)) return std::nullopt;
  std::optional<NodeId> found;
  for (const auto& [name, value] : mapping_items(tree, mapping)) {
    if (tree.kind(name) == Kind::string && tree.text(name) == key) found = value;
  }
  return found;
}

std::vector<NodeId> attribute_mappings(const Tree& tree, NodeId object) {
  std::vector<NodeId> mappings;
  const std::optional<NodeId> state = tree.state(object);
  if (!state) return mappings;
  if (is_mapping(tree, *state)) {
    mappings.push_back(*state);
  } else if (tree.kind(*state) == Kind::tuple) {
    for (const NodeId part : tree.items(*state)) {
      if (is_mapping(tree, part)) mappings.push_back(part);
    }
  }
  return mappings;
}

std::optional<ModuleParts> module_parts(const Tree& tree, NodeId object) {
  if (tree.kind(object) != Kind::object) return std::nullopt;
  const std::optional<NodeId> state = tree.state(object);
  if (!state || !is_mapping(tree, *state)) return std::nullopt;
  const auto parameters = mapping_get(tree, *state, "_parameters");
  const auto modules = mapping_get(tree, *state, "_modules");
  if (!parameters || !modules || !is_mapping(tree, *parameters) || !is_mapping(tree, *modules)) return std::nullopt;
  return ModuleParts{*parameters, mapping_get(tree, *state, "_buffers"), *modules,
                     mapping_get(tree, *state, "_non_persistent_buffers_set")};
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char digits[32];
  const double magnitude = std::fabs(value);
  // Python switches to an exponent where repr's "r" format does: below 1e-4 and from 1e16 on.
  const bool fixed = magnitude == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  const auto end = std::to_chars(digits, digits + sizeof digits, value,
                                 fixed ? std::chars_format::fixed : std::chars_format::scientific)
                       .ptr;
  std::string text(digits, end);
  if (fixed && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string decimal_text(std::string_view twos_complement) {
  std::vector<std::uint32_t> words((twos_complement.size() + 3) / 4 + 1, 0);
  const bool negative = !twos_complement.empty() && (static_cast<unsigned char>(twos_complement.back()) & 0x80) != 0;
  for (std::size_t i = 0; i < words.size() * 4; ++i) {
    const unsigned byte = i < twos_complement.size() ? static_cast<unsigned char>(twos_complement[i])
                                                     : (negative ? 0xFFu : 0u);
    words[i / 4] |= static_cast<std::uint32_t>(byte) << (8 * (i % 4));
  }
  if (negative) {
    std::uint64_t carry = 1;
    for (std::uint32_t& word : words) {
      carry += static_cast<std::uint32_t>(~word);
      word = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
  }
  std::string digits;
  while (!words.empty()) {
    std::uint64_t remainder = 0;
    for (std::size_t i = words.size(); i-- > 0;) {
      remainder = (remainder << 32) | words[i];
      words[i] = static_cast<std::uint32_t>(remainder / 1'000'000'000);
      remainder %= 1'000'000'000;
    }
    while (!words.empty() && words.back() == 0) words.pop_back();
    for (int i = 0; i < 9 && (!words.empty() || remainder != 0); ++i, remainder /= 10) {
      digits += static_cast<char>('0' + remainder % 10);
    }
  }
  if (digits.empty()) return "0";
  if (negative) digits += '-';
  std::reverse(digits.begin(), digits.end());
  return digits;
}

namespace {

std::string quoted(std::string_view text) {
  std::string quote = "'";
  for (const char c : text) {
    if (c == '\\' || c == '\'') quote += '\\';
    quote += c;
  }
  return quote + "'";
}

/// A key can be a tuple that holds one tuple many times over, and so on: its text ends here.
constexpr std::size_t kLongestRepr = 1 << 16;

std::string plain_repr(const Tree& tree, NodeId key) {
  switch (tree.kind(key)) {
    case Kind::none: return "None";
    case Kind::boolean: return tree.boolean(key) ? "True" : "False";
    case Kind::integer: return std::to_string(tree.integer(key));
    case Kind::big_integer: return decimal_text(tree.text(key));
    case Kind::real: return float_text(tree.real(key));
    case Kind::string: return quoted(tree.text(key));
    case Kind::bytes: return "b" + quoted(tree.text(key));
    case Kind::global: return std::string(tree.qualified_name(key));
    case Kind::object: return std::string(class_name(tree, key)) + "(...)";
    default: return "...";
  }
}

void append_repr(const Tree& tree, NodeId key, int depth, std::string& text) {
  if (tree.kind(key) != Kind::tuple) {
    text += plain_repr(tree, key);
    return;
  }
  if (depth > 8) {
    text += "(...)";
    return;
  }
  text += "(";
  const auto items = tree.items(key);
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i != 0) text += ", ";
    if (text.size() > kLongestRepr) {
      text += "...";
      break;
    }
    append_repr(tree, items[i], depth + 1, text);
  }
  text += items.size() == 1 ? ",)" : ")";
}

}  // namespace

std::string key_text(const Tree& tree, NodeId key) {
  if (tree.kind(key) == Kind::string) return std::string(tree.text(key));
  std::string text;
  append_repr(tree, key, 0, text);
  return text;
}

}  // namespace torchferry
