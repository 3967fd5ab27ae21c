#include <torchferry/error.h>
#include <torchferry/state_dict.h>

#include <numeric>
#include <type_traits>
#include <unordered_map>
#include <utility>

// State dicts under other names. The versions of modules (`_metadata`) go where the tensors go.

namespace torchferry {
namespace {

using Versions = std::decay_t<decltype(std::declval<const StateDict&>().versions())>;

/// Versions of modules in the order in which they were first set.
class VersionList {
 public:
  void set(std::string module, std::int64_t version) {
    const auto [place, added] = places_.try_emplace(module, items_.size());
    if (added) {
      items_.emplace_back(std::move(module), version);
    } else {
      items_[place->second].second = version;
    }
  }

  Versions versions() const { return Versions(items_.begin(), items_.end()); }

 private:
  std::vector<std::pair<std::string, std::int64_t>> items_;
  std::unordered_map<std::string, std::size_t> places_;
};

/// Where modules go when the items of a dict get new names.
class ModuleMoves {
 public:
  /// A key that keeps its end below a module tells the module's new name: "a.b.weight" as "x.b.weight" moves "a" to
  /// "x" and "a.b" to "x.b", and leaves no doubt unless another key below the same module says otherwise.
  void add(std::string_view before, std::string_view after) {
    int levels = 0;
    for (std::size_t dot = before.rfind('.'); dot != before.npos && ++levels <= kMostLevels;
         dot = before.substr(0, dot).rfind('.')) {
      note(before.substr(0, dot), before.substr(dot + 1), after);
    }
    note(std::string_view(), before, after);
  }

  /// The new name of a module; the old one where its tensors do not agree. A module without tensors goes where the
  /// innermost one around it goes that has some.
  std::string target(const std::string& module) const {
    std::string_view around = module;
    for (;;) {
      const auto move = moves_.find(around);
      if (move != moves_.end()) return move->second.agreed ? moved(module, around, move->second.name) : module;
      if (around.empty()) return module;
      const std::size_t dot = around.rfind('.');
      around = around.substr(0, dot == around.npos ? 0 : dot);
    }
  }

 private:
  /// Deeper ones are no modules that anybody wrote.
  static constexpr int kMostLevels = 128;

  /// `module` lies in or is `around`, which is called `name` now.
  static std::string moved(const std::string& module, std::string_view around, std::string_view name) {
    const std::string_view rest = std::string_view(module).substr(around.size());
    if (around.empty() && !name.empty() && !rest.empty()) return std::string(name) + "." + module;
    if (name.empty() && rest.starts_with('.')) return std::string(rest.substr(1));
    return std::string(name) + std::string(rest);
  }

  struct Move {
    std::string_view name;
    bool agreed;
  };

  void note(std::string_view module, std::string_view rest, std::string_view after) {
    std::optional<std::string_view> name;
    if (after == rest) name = std::string_view();
    if (after.size() > rest.size() && after.ends_with(rest) && after[after.size() - rest.size() - 1] == '.') {
      name = after.substr(0, after.size() - rest.size() - 1);
    }
    const auto [move, added] = moves_.try_emplace(module, Move{name.value_or(module), name.has_value()});
    if (!added && (!name || move->second.name != *name)) move->second.agreed = false;
  }

  std::unordered_map<std::string_view, Move> moves_;
};

std::vector<std::size_t> all_indices(const StateDict& dict) {
  std::vector<std::size_t> all(dict.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

/// The versions of the modules that start with `prefix`, relative to it; `others` keeps the rest. A module named as
/// the prefix is the root then, whose version replaces the wrapper's.
Versions stripped(const Versions& versions, std::string_view prefix, bool others) {
  const std::string_view module = prefix.ends_with('.') ? prefix.substr(0, prefix.size() - 1) : prefix;
  const auto below = [&](std::string_view name) {
    return !name.empty() && (name == module || name.starts_with(prefix));
  };
  VersionList after;
  for (const auto& [name, version] : versions) {
    if (others && !below(name)) after.set(name, version);
  }
  for (const auto& [name, version] : versions) {
    if (below(name)) after.set(name == module ? std::string() : name.substr(prefix.size()), version);
  }
  return after.versions();
}

void require_distinct(const StateDict& dict, const std::vector<std::string>& names) {
  std::unordered_map<std::string_view, std::size_t> seen;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto [other, added] = seen.emplace(names[i], i);
    if (added) continue;
    throw Error(ErrorCode::invalid_argument, "both '" + std::string(dict.key(other->second)) + "' and '" +
                                                 std::string(dict.key(i)) + "' would be named '" + names[i] + "'");
  }
}

StateDict named(const StateDict& dict, std::vector<std::string> names, std::optional<Versions> versions) {
  require_distinct(dict, names);
  return dict.select(all_indices(dict), std::move(names), std::move(versions));
}

}  // namespace

StateDict StateDict::renamed(std::vector<std::string> names) const {
  if (names.size() != size()) {
    throw Error(ErrorCode::invalid_argument,
                std::to_string(names.size()) + " names for " + std::to_string(size()) + " tensors");
  }
  std::optional<Versions> after;
  if (has_metadata()) {
    ModuleMoves moves;
    for (std::size_t i = 0; i < size(); ++i) moves.add(key(i), names[i]);
    VersionList list;
    // Those that stay first: a module that comes from elsewhere has the better claim to its new name.
    for (const bool moved : {false, true}) {
      for (const auto& [module, version] : versions()) {
        std::string target = moves.target(module);
        if ((target != module) == moved) list.set(std::move(target), version);
      }
    }
    after = list.versions();
  }
  return named(*this, std::move(names), std::move(after));
}

StateDict StateDict::with_prefix_stripped(std::string_view prefix) const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < size(); ++i) {
    names.emplace_back(key(i).starts_with(prefix) ? key(i).substr(prefix.size()) : key(i));
  }
  std::optional<Versions> after;
  if (has_metadata()) after = stripped(versions(), prefix, true);
  return named(*this, std::move(names), std::move(after));
}

StateDict StateDict::submodule(std::string_view module) const {
  const std::string prefix = module.empty() ? std::string() : std::string(module) + ".";
  std::vector<std::size_t> indices;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < size(); ++i) {
    if (!key(i).starts_with(prefix)) continue;
    indices.push_back(i);
    names.emplace_back(key(i).substr(prefix.size()));
  }
  std::optional<Versions> after;
  if (has_metadata()) after = prefix.empty() ? versions() : stripped(versions(), prefix, false);
  return select(indices, std::move(names), std::move(after));
}

}  // namespace torchferry
