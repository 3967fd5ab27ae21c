#include "table/value_content.h"

#include <torchferry/error.h>

#include <charconv>
#include <optional>

#include "base/limit_error.h"

namespace torchferry {
namespace {

using Kind = Value::Kind;
using Pairs = std::vector<std::pair<ValuePtr, ValuePtr>>;

std::string key_text(const Value& key) {
  switch (key.kind) {
    case Kind::string:
    case Kind::big_int: return key.text;
    case Kind::integer: return std::to_string(key.integer);
    case Kind::boolean: return key.integer != 0 ? "True" : "False";
    case Kind::none: return "None";
    default: return "...";
  }
}

bool is_sequence(const Value& value) { return value.kind == Kind::list || value.kind == Kind::tuple; }

std::string available(const Value& value) {
  if (is_sequence(value)) return "indices 0 to " + std::to_string(value.items.size()) + " (exclusive)";
  std::string text;
  int shown = 0;
  for (const auto& [key, held] : value.entries) {
    if (++shown > 12) return text + ", …";
    text += (text.empty() ? "'" : ", '") + key_text(*key) + "'";
  }
  return text.empty() ? "nothing" : text;
}

ValuePtr step_into(const Value& value, const std::string& step) {
  if (is_sequence(value)) {
    std::size_t index = 0;
    const char* const stop = step.data() + step.size();
    const auto [end, error] = std::from_chars(step.data(), stop, index);
    return error == std::errc{} && end == stop && index < value.items.size() ? value.items[index] : nullptr;
  }
  ValuePtr by_text;
  for (const auto& [key, held] : value.entries) {
    if (key_text(*key) != step) continue;
    if (key->kind == Kind::string) return held;
    if (!by_text) by_text = held;
  }
  return by_text;
}

class Lister {
 public:
  Lister(NameArena& names, const Limits& limits, std::vector<Entry>& entries)
      : names_(names), limits_(limits), entries_(entries) {}

  void visit(const Value& value, std::string_view name, bool at_root) {
    if (value.kind == Kind::tensor) return add(name, value.tensor);
    if (value.items.empty() && value.entries.empty() && value.attributes.empty()) return;
    if (++depth_ > limits_.depth) exceed("containers are nested too deeply", "depth", limits_.depth);
    for (std::size_t i = 0; i < value.items.size(); ++i) {
      if (may_hold_tensors(*value.items[i])) visit(*value.items[i], joined(name, std::to_string(i), at_root), false);
    }
    visit_pairs(value.entries, name, at_root);
    if (value.kind == Kind::object) visit_pairs(value.attributes, name, at_root);
    --depth_;
  }

 private:
  static bool may_hold_tensors(const Value& value) {
    return value.kind == Kind::tensor || !value.items.empty() || !value.entries.empty() || !value.attributes.empty();
  }

  void visit_pairs(const Pairs& pairs, std::string_view name, bool at_root) {
    for (const auto& [key, held] : pairs) {
      if (may_hold_tensors(*held)) visit(*held, joined(name, key_text(*key), at_root), false);
    }
  }

  void add(std::string_view name, std::uint32_t tensor) {
    if (entries_.size() >= limits_.tensors) exceed("the content lists too many tensors", "tensors", limits_.tensors);
    entries_.push_back({name, tensor});
  }

  std::string_view joined(std::string_view prefix, std::string_view name, bool at_root) {
    name_bytes_ += prefix.size() + name.size() + 1;
    if (name_bytes_ > limits_.name_bytes) {
      exceed("the content lists too long names of tensors", "name_bytes", limits_.name_bytes);
    }
    return at_root ? names_.add({}, name, false) : names_.add(prefix, name, true);
  }

  [[noreturn]] static void exceed(const char* what, const char* limit, std::uint64_t allowed) {
    throw Error(ErrorCode::limit_exceeded, over_limit(what, limit, allowed));
  }

  NameArena& names_;
  const Limits& limits_;
  std::vector<Entry>& entries_;
  std::uint32_t depth_ = 0;
  std::uint64_t name_bytes_ = 0;
};

/// Looks for state dicts from the top of the content down, by the rules that hold for pickles (places.cpp).
class StateDictSearch {
 public:
  explicit StateDictSearch(const Limits& limits) : limits_(limits) {}

  void look(const Value& value) {
    if (++visits_ > kMostVisits || found_.size() >= kMostPlaces || value.kind == Kind::tensor) return;
    if (looks_like_state_dict(value)) return add(value);
    if (path_.size() >= kMostSteps) return;
    if (is_sequence(value)) {
      for (std::size_t i = 0; i < value.items.size(); ++i) step(std::to_string(i), *value.items[i]);
    } else if (value.kind == Kind::dict && !is_optimizer_state(value)) {
      for (const auto& [key, held] : value.entries) step(key_text(*key), *held);
    }
  }

  std::vector<StateDictPlace> found() && { return std::move(found_); }

 private:
  static constexpr std::size_t kMostPlaces = 64;
  static constexpr std::size_t kMostSteps = 6;
  static constexpr std::size_t kMostVisits = 100'000;

  static bool looks_like_state_dict(const Value& value) {
    if (value.kind != Kind::dict) return false;
    std::size_t tensors = 0;
    for (const auto& [key, held] : value.entries) {
      if (key->kind == Kind::string && held->kind == Kind::tensor) ++tensors;
    }
    return 2 * tensors > value.entries.size();
  }

  static bool is_optimizer_state(const Value& value) {
    int marks = 0;
    for (const auto& [key, held] : value.entries) marks += key->text == "state" || key->text == "param_groups" ? 1 : 0;
    return marks == 2;
  }

  void step(std::string name, const Value& value) {
    path_.push_back(std::move(name));
    look(value);
    path_.pop_back();
  }

  void add(const Value& value) {
    NameArena names;
    std::vector<Entry> entries;
    list_tensors(value, names, limits_, entries);
    found_.push_back({path_, entries.size()});
  }

  const Limits& limits_;
  std::vector<std::string> path_;
  std::vector<StateDictPlace> found_;
  std::size_t visits_ = 0;
};

}  // namespace

std::shared_ptr<Value> value_of_kind(Value::Kind kind) {
  auto value = std::make_shared<Value>();
  value->kind = kind;
  return value;
}

ValuePtr string_value(std::string text) {
  auto value = value_of_kind(Kind::string);
  value->text = std::move(text);
  return value;
}

ValuePtr tensor_value(std::uint32_t row) {
  auto value = value_of_kind(Kind::tensor);
  value->tensor = row;
  return value;
}

ValuePtr dict_of(const std::vector<Entry>& entries) {
  auto root = value_of_kind(Kind::dict);
  root->entries.reserve(entries.size());
  for (const Entry& entry : entries) {
    ValuePtr name = string_value(std::string(entry.key));
    root->entries.emplace_back(std::move(name), tensor_value(entry.tensor));
  }
  return root;
}

ValuePtr value_at(const ValuePtr& root, std::span<const std::string> path) {
  ValuePtr value = root;
  std::string walked;
  for (const std::string& step : path) {
    ValuePtr next = step_into(*value, step);
    if (!next) {
      throw Error(ErrorCode::invalid_argument,
                  "no '" + step + "' " + (walked.empty() ? "at the top of the content" : "in '" + walked + "'") +
                      "; there is: " + available(*value));
    }
    value = std::move(next);
    walked += (walked.empty() ? "" : ".") + step;
  }
  return value;
}

std::vector<StateDictPlace> find_state_dicts(const Value& root, const Limits& limits) {
  StateDictSearch search(limits);
  search.look(root);
  return std::move(search).found();
}

void list_tensors(const Value& root, NameArena& names, const Limits& limits, std::vector<Entry>& entries) {
  Lister(names, limits, entries).visit(root, {}, true);
}

}  // namespace torchferry
