#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pickle/growing_array.h"

namespace torchferry::pickle {

/// Index of a value in its Tree.
using NodeId = std::uint32_t;

/// What a pickle's opcodes made, as inert data: an object is what it was called with, never the result of a
/// call.
enum class Kind : std::uint8_t {
  none,
  boolean,
  integer,       ///< fits in 64 bits
  big_integer,   ///< little-endian two's complement bytes
  real,
  string,        ///< UTF-8; a lone surrogate is its three-byte sequence, as by Python's "surrogatepass"
  bytes,
  byte_array,
  tuple,
  list,
  set,
  frozen_set,
  dict,
  global,        ///< a name: "module\nname" was read, nothing was looked up
  persistent,    ///< BINPERSID: items()[0] is the id, usually a tuple
  object,        ///< REDUCE, NEWOBJ or NEWOBJ_EX, with what BUILD, APPEND(S), SETITEM(S) and ADDITEMS added
};

/// How an object came to be.
enum class Construction : std::uint8_t { reduce, new_object };

/// The inert value tree of one pickle (several trees may come from one file). Nodes alias as Python's objects
/// do: a memoised value is one node that is reachable on several paths, and containers may even contain
/// themselves, so every walk needs a bound. String and byte views point into the tree or into the pickle's
/// bytes, both of which live as long as the Tree. Immutable once built; safe to read from any thread.
class Tree {
 public:
  NodeId root() const noexcept { return root_; }
  std::size_t size() const noexcept { return nodes_.size(); }

  Kind kind(NodeId id) const noexcept { return nodes_[id].kind; }
  /// Byte offset, in the pickle, of the opcode that made the value. None, True, False, the empty tuple and
  /// the integers 0 to 255 are one node each however often they are written: theirs is the first.
  std::uint32_t offset(NodeId id) const noexcept { return nodes_[id].offset; }

  bool boolean(NodeId id) const noexcept { return nodes_[id].word != 0; }
  std::int64_t integer(NodeId id) const noexcept;
  double real(NodeId id) const noexcept;
  /// Text of a string; payload of bytes, byte_array and big_integer; empty for every other kind.
  std::string_view text(NodeId id) const noexcept;
  /// The bytes as written of a string that Python 2 wrote as `str`, which may have been meant as binary data;
  /// empty optional for every other string.
  std::optional<std::string_view> python2_bytes(NodeId string) const noexcept;

  /// Elements of a tuple, list, set or frozen_set; the id of a persistent; none for every other kind.
  std::span<const NodeId> items(NodeId id) const noexcept;
  /// Keys and values of a dict in turn, in the order they were set; a key set twice stands twice.
  std::span<const NodeId> pairs(NodeId id) const noexcept;

  /// Of a global. Python 2's names are mapped to Python 3's (formats: `__builtin__` is "builtins").
  std::string_view module(NodeId id) const noexcept;
  std::string_view name(NodeId id) const noexcept;
  /// Both joined with '.', for example "torch._utils._rebuild_tensor_v2".
  std::string_view qualified_name(NodeId id) const noexcept;

  Construction construction(NodeId object) const noexcept;
  /// The callable or class of an object: mostly a global.
  NodeId callable(NodeId object) const noexcept;
  /// The arguments of an object, always a tuple.
  NodeId arguments(NodeId object) const noexcept;
  /// The dict of keyword arguments that NEWOBJ_EX gave, when there were any.
  std::optional<NodeId> keywords(NodeId object) const noexcept;
  /// What the last BUILD gave the object. Dicts given by several BUILDs are one dict here, with the pairs of
  /// all of them in turn, as each updates the object's attributes.
  std::optional<NodeId> state(NodeId object) const noexcept;
  /// What APPEND(S) or ADDITEMS added to an object.
  std::span<const NodeId> appended(NodeId object) const noexcept;
  /// Keys and values that SETITEM(S) gave an object.
  std::span<const NodeId> assigned(NodeId object) const noexcept;

 private:
  friend class TreeBuilder;

  static constexpr NodeId kAbsent = 0xFFFFFFFFu;

  /// A stretch of the pool or of a text.
  struct Range {
    std::uint32_t start = 0;
    std::uint32_t count = 0;
  };

  enum Flag : std::uint8_t {
    kOwnedText = 1,    ///< string, bytes…: the text stands in owned_, not in the pickle
    kPython2 = 2,      ///< string: from BINSTRING or SHORT_BINSTRING
    kSnapshot = 1,     ///< set: shares its elements with the list it was made from
    kHasExtras = 1,    ///< object: the word is an index of extras_, not callable and arguments
    kNewObject = 2,    ///< object: by NEWOBJ or NEWOBJ_EX
  };

  /// The word of a node is, by kind: the value of an integer, boolean or real; the Range of its text, or of
  /// its elements in pool_; an index of names_ for a global; callable (low half) and arguments of an object.
  struct Node {
    std::uint64_t word;
    std::uint32_t offset;
    Kind kind;
    std::uint8_t flags;    ///< Flag; for a global, which plain value it makes
    std::uint16_t height;  ///< 0 for a leaf, else over each element's when it was put in; see TreeBuilder
  };

  /// A global's "module.name" in owned_.
  struct Name {
    Range qualified;
    std::uint32_t module_length;
  };

  /// What few objects have.
  struct Extras {
    NodeId callable;
    NodeId arguments;
    NodeId keywords = kAbsent;
    NodeId state = kAbsent;
    bool state_merged = false;  ///< state is a dict of our own, made of those that several BUILDs gave
    Range appended;
    Range assigned;
  };

  static constexpr std::uint64_t packed(Range range) noexcept {
    return range.start | std::uint64_t{range.count} << 32;
  }
  static constexpr Range unpacked(std::uint64_t word) noexcept {
    return {static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(word >> 32)};
  }
  std::span<const NodeId> elements(Range range) const noexcept {
    return {pool_.data() + range.start, range.count};
  }
  std::string_view owned(Range range) const noexcept { return {owned_.data() + range.start, range.count}; }
  const Extras* extras(NodeId object) const noexcept;

  NodeId root_ = 0;
  const char* input_ = nullptr;
  GrowingArray<Node> nodes_;
  /// Elements of all containers. A tuple's stretch has its exact length; what can grow has
  /// std::bit_ceil(count) places.
  GrowingArray<NodeId> pool_;
  std::vector<Name> names_;
  std::vector<Extras> extras_;
  std::string owned_;
};

inline std::int64_t Tree::integer(NodeId id) const noexcept {
  return static_cast<std::int64_t>(nodes_[id].word);
}

inline double Tree::real(NodeId id) const noexcept { return std::bit_cast<double>(nodes_[id].word); }

inline std::string_view Tree::text(NodeId id) const noexcept {
  const Node& node = nodes_[id];
  const bool is_text = node.kind >= Kind::string && node.kind <= Kind::byte_array;
  if (!is_text && node.kind != Kind::big_integer) return {};
  const Range range = unpacked(node.word);
  return (node.flags & kOwnedText) != 0 ? owned(range) : std::string_view(input_ + range.start, range.count);
}

inline std::span<const NodeId> Tree::items(NodeId id) const noexcept {
  const Node& node = nodes_[id];
  const bool is_sequence = node.kind >= Kind::tuple && node.kind <= Kind::frozen_set;
  if (!is_sequence && node.kind != Kind::persistent) return {};
  return elements(unpacked(node.word));
}

inline NodeId Tree::callable(NodeId object) const noexcept {
  const Extras* more = extras(object);
  return more ? more->callable : unpacked(nodes_[object].word).start;
}

inline NodeId Tree::arguments(NodeId object) const noexcept {
  const Extras* more = extras(object);
  return more ? more->arguments : unpacked(nodes_[object].word).count;
}

inline const Tree::Extras* Tree::extras(NodeId object) const noexcept {
  const Node& node = nodes_[object];
  const bool has_extras = node.kind == Kind::object && (node.flags & kHasExtras) != 0;
  return has_extras ? &extras_[node.word] : nullptr;
}

}  // namespace torchferry::pickle
