#include "pack_values.h"

#include <unordered_map>
#include <vector>

#include "pack.h"

namespace torchferry::jni {
namespace {

using Kind = Value::Kind;
using Pairs = std::vector<std::pair<ValuePtr, ValuePtr>>;

class Packing {
 public:
  void add_all_below(const Value* root) {
    waiting_.push_back({root, false});
    while (!waiting_.empty()) {
      Waiting& top = waiting_.back();
      const Value* const value = top.value;
      if (numbers_.contains(value)) {
        waiting_.pop_back();
      } else if (top.expanded) {
        waiting_.pop_back();
        numbers_.emplace(value, static_cast<std::int32_t>(numbers_.size()));
        node(*value);
      } else {
        top.expanded = true;
        push_children(*value);
      }
    }
  }

  std::string finish() const {
    PackWriter out;
    out.count(numbers_.size());
    out.raw(nodes_.bytes().data(), nodes_.bytes().size());
    return out.bytes();
  }

 private:
  struct Waiting {
    const Value* value;
    bool expanded;
  };

  void push(const ValuePtr& value) {
    if (!numbers_.contains(value.get())) waiting_.push_back({value.get(), false});
  }

  void push_children(const Value& value) {
    for (const ValuePtr& item : value.items) push(item);
    for (const Pairs* pairs : {&value.entries, &value.attributes}) {
      for (const auto& [key, held] : *pairs) {
        push(key);
        push(held);
      }
    }
  }

  void items(const Value& value) {
    nodes_.count(value.items.size());
    for (const ValuePtr& item : value.items) nodes_.i32(numbers_.at(item.get()));
  }

  void pairs(const Pairs& pairs) {
    nodes_.count(pairs.size());
    for (const auto& [key, held] : pairs) {
      nodes_.i32(numbers_.at(key.get()));
      nodes_.i32(numbers_.at(held.get()));
    }
  }

  void node(const Value& value) {
    nodes_.u8(static_cast<std::uint8_t>(value.kind));
    switch (value.kind) {
      case Kind::none: break;
      case Kind::boolean: nodes_.u8(value.integer != 0); break;
      case Kind::integer: nodes_.i64(value.integer); break;
      case Kind::real: nodes_.f64(value.real); break;
      case Kind::complex:
        nodes_.f64(value.real);
        nodes_.f64(value.imaginary);
        break;
      case Kind::big_int:
      case Kind::string:
      case Kind::dtype:
      case Kind::device:
      case Kind::global: nodes_.string(value.text); break;
      case Kind::bytes:
        nodes_.string(value.text);
        nodes_.string(value.class_name);
        break;
      case Kind::list: items(value); break;
      case Kind::tuple:
      case Kind::set:
        nodes_.string(value.class_name);
        items(value);
        break;
      case Kind::dict:
        nodes_.string(value.class_name);
        items(value);
        pairs(value.entries);
        pairs(value.attributes);
        break;
      case Kind::tensor:
        nodes_.i32(static_cast<std::int32_t>(value.tensor));
        nodes_.string(value.class_name);
        break;
      case Kind::array:
        nodes_.string(value.class_name);
        nodes_.count(value.shape.size());
        for (const std::int64_t size : value.shape) nodes_.i64(size);
        nodes_.string(value.text);
        break;
      case Kind::object:
        nodes_.string(value.class_name);
        items(value);
        pairs(value.entries);
        pairs(value.attributes);
        break;
    }
  }

  PackWriter nodes_;
  std::unordered_map<const Value*, std::int32_t> numbers_;
  std::vector<Waiting> waiting_;
};

}  // namespace

std::string packed_values(const ValuePtr& root) {
  Packing packing;
  packing.add_all_below(root.get());
  return packing.finish();
}

}  // namespace torchferry::jni
