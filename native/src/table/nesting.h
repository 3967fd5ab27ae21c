#pragma once

#include <torchferry/limits.h>
#include <torchferry/value.h>

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace torchferry {

/// A step into nested content: a dict key, or a list index.
using PathStep = std::variant<std::string, std::int64_t>;

/// Builds nested dicts and lists out of values and the paths to them. A list's indices may come in any order; one that
/// never comes is None, as torch.distributed.checkpoint has it.
class Nesting {
 public:
  explicit Nesting(const Limits& limits) : limits_(limits) {}

  /// Throws Error(corrupt) when the path goes through a value, ends at a container, is taken already, or mixes keys
  /// and indices; Error(limit_exceeded: depth).
  void put(std::span<const PathStep> path, ValuePtr value);

  /// Throws Error(corrupt) for a list that is mostly missing.
  ValuePtr finish() const;

 private:
  struct Place {
    ValuePtr value;
    std::vector<std::pair<std::string, std::unique_ptr<Place>>> named;
    std::unordered_map<std::string, std::size_t> number_of;
    std::map<std::int64_t, std::unique_ptr<Place>> numbered;
  };

  static Place& below(Place& place, const PathStep& step);
  static ValuePtr made(const Place& place);

  const Limits& limits_;
  Place root_;
};

}  // namespace torchferry
