#include "table/nesting.h"

#include <torchferry/error.h>

#include "base/limit_error.h"
#include "table/value_content.h"

namespace torchferry {
namespace {

/// Entries of a list that may be missing for each one that is there, and a few more.
constexpr std::int64_t kMissingForEach = 16;

std::string path_text(std::span<const PathStep> path) {
  std::string text;
  for (const PathStep& step : path) {
    text += text.empty() ? "" : ".";
    text += std::holds_alternative<std::string>(step) ? std::get<std::string>(step)
                                                      : std::to_string(std::get<std::int64_t>(step));
  }
  return "'" + text.substr(0, 200) + "'";
}

[[noreturn]] void contradiction(std::span<const PathStep> path, const char* what) {
  throw Error(ErrorCode::corrupt, "the content's structure contradicts itself at " + path_text(path) + ": " + what);
}

}  // namespace

Nesting::Place& Nesting::below(Place& place, const PathStep& step) {
  if (const auto* name = std::get_if<std::string>(&step)) {
    const auto [known, is_new] = place.number_of.emplace(*name, place.named.size());
    if (is_new) place.named.emplace_back(*name, std::make_unique<Place>());
    return *place.named[known->second].second;
  }
  auto& child = place.numbered[std::get<std::int64_t>(step)];
  if (!child) child = std::make_unique<Place>();
  return *child;
}

void Nesting::put(std::span<const PathStep> path, ValuePtr value) {
  if (path.empty()) contradiction(path, "a value without a name");
  if (path.size() > limits_.depth) {
    throw Error(ErrorCode::limit_exceeded, over_limit("containers are nested too deeply", "depth", limits_.depth));
  }
  Place* place = &root_;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const auto here = path.first(i + 1);
    if (place->value) contradiction(here, "a value that holds others");
    const auto* index = std::get_if<std::int64_t>(&path[i]);
    if (index != nullptr && *index < 0) contradiction(here, "a negative index");
    if (index != nullptr ? !place->named.empty() : !place->numbered.empty()) contradiction(here, "keys among indices");
    place = &below(*place, path[i]);
  }
  if (place->value || !place->named.empty() || !place->numbered.empty()) contradiction(path, "two values in one place");
  place->value = std::move(value);
}

ValuePtr Nesting::made(const Place& place) {
  if (place.value) return place.value;
  if (place.numbered.empty()) {
    auto dict = value_of_kind(Value::Kind::dict);
    for (const auto& [name, child] : place.named) {
      ValuePtr key = string_value(name);
      dict->entries.emplace_back(std::move(key), made(*child));
    }
    return dict;
  }
  const auto there = static_cast<std::int64_t>(place.numbered.size());
  const std::int64_t last = place.numbered.rbegin()->first;
  if (last / kMissingForEach > there) {
    throw Error(ErrorCode::corrupt, "a list of " + std::to_string(there) + " values has an index " + std::to_string(last));
  }
  auto list = value_of_kind(Value::Kind::list);
  const ValuePtr none = value_of_kind(Value::Kind::none);
  for (const auto& [index, child] : place.numbered) {
    while (static_cast<std::int64_t>(list->items.size()) < index) list->items.push_back(none);
    list->items.push_back(made(*child));
  }
  return list;
}

ValuePtr Nesting::finish() const { return made(root_); }

}  // namespace torchferry
