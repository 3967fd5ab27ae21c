#include "table/values.h"

#include <torchferry/error.h>

#include <algorithm>
#include <unordered_map>

#include "base/limit_error.h"
#include "table/content.h"
#include "table/torch_names.h"

namespace torchferry {

using pickle::Kind;

namespace {

std::shared_ptr<Value> of_kind(Value::Kind kind) {
  auto value = std::make_shared<Value>();
  value->kind = kind;
  return value;
}

std::shared_ptr<Value> text_value(Value::Kind kind, std::string text) {
  auto value = of_kind(kind);
  value->text = std::move(text);
  return value;
}

class ValueMaker {
 public:
  ValueMaker(const Tree& tree, const std::vector<std::uint32_t>& rows, const Limits& limits)
      : tree_(tree), rows_(rows), limits_(limits) {}

  ValuePtr make(NodeId node) {
    node = unwrap(tree_, node);
    if (const auto seen = made_.find(node); seen != made_.end()) return seen->second ? seen->second : again(node);
    if (path_.size() >= limits_.depth) {
      throw Error(ErrorCode::limit_exceeded, {}, {}, tree_.offset(node),
                  over_limit("containers are nested too deeply", "depth", limits_.depth));
    }
    made_.emplace(node, nullptr);
    path_.push_back(node);
    ValuePtr value = build(node);
    path_.pop_back();
    made_[node] = value;
    return value;
  }

 private:
  /// A node that is still being made: a back reference.
  ValuePtr again(NodeId node) {
    const auto start = std::find(path_.begin(), path_.end(), node);
    const auto object = std::find_if(start, path_.end(), [this](NodeId on) {
      return tree_.kind(on) == Kind::object && !is_mapping(tree_, on);
    });
    if (object == path_.end()) {
      throw Error(ErrorCode::unsupported, {}, {}, tree_.offset(node), "a list or dict contains itself");
    }
    auto value = text_value(Value::Kind::object, "(back reference)");
    value->class_name = class_name(tree_, *object);
    return value;
  }

  ValuePtr build(NodeId node) {
    switch (tree_.kind(node)) {
      case Kind::none: return of_kind(Value::Kind::none);
      case Kind::boolean:
      case Kind::integer: {
        const bool boolean = tree_.kind(node) == Kind::boolean;
        auto value = of_kind(boolean ? Value::Kind::boolean : Value::Kind::integer);
        value->integer = boolean ? tree_.boolean(node) : tree_.integer(node);
        return value;
      }
      case Kind::big_integer: return text_value(Value::Kind::big_int, decimal_text(tree_.text(node)));
      case Kind::real: {
        auto value = of_kind(Value::Kind::real);
        value->real = tree_.real(node);
        return value;
      }
      case Kind::string: return text_value(Value::Kind::string, std::string(tree_.text(node)));
      case Kind::bytes: return text_value(Value::Kind::bytes, std::string(tree_.text(node)));
      case Kind::byte_array: {
        auto value = text_value(Value::Kind::bytes, std::string(tree_.text(node)));
        value->class_name = "bytearray";
        return value;
      }
      case Kind::tuple: return sequence(Value::Kind::tuple, node);
      case Kind::list: return sequence(Value::Kind::list, node);
      case Kind::set: return sequence(Value::Kind::set, node);
      case Kind::frozen_set: {
        auto value = sequence(Value::Kind::set, node);
        value->class_name = "frozenset";
        return value;
      }
      case Kind::dict: return mapping(node);
      case Kind::global: return global(node);
      case Kind::persistent: return persistent(node);
      case Kind::object: return object(node);
    }
    return of_kind(Value::Kind::none);
  }

  std::shared_ptr<Value> sequence(Value::Kind kind, NodeId node) {
    auto value = of_kind(kind);
    for (const NodeId item : tree_.items(node)) value->items.push_back(make(item));
    return value;
  }

  void add_entries(Value& value, NodeId mapping) {
    for (const auto& [key, item] : mapping_items(tree_, mapping)) {
      ValuePtr name = make(key);
      value.entries.emplace_back(std::move(name), make(item));
    }
  }

  ValuePtr mapping(NodeId node) {
    auto value = of_kind(Value::Kind::dict);
    add_entries(*value, node);
    if (tree_.kind(node) != Kind::object) return value;
    value->class_name = class_name(tree_, node);
    if (value->class_name == "collections.defaultdict") {
      for (const NodeId argument : tree_.items(tree_.arguments(node))) value->items.push_back(make(argument));
    }
    for (const NodeId attributes : attribute_mappings(tree_, node)) {
      for (const auto& [key, item] : mapping_items(tree_, attributes)) {
        ValuePtr name = make(key);
        value->attributes.emplace_back(std::move(name), make(item));
      }
    }
    return value;
  }

  ValuePtr global(NodeId node) {
    const std::string name(tree_.qualified_name(node));
    if (const auto dtype = dtype_global(name)) {
      return text_value(Value::Kind::dtype, std::string(torchferry::name(*dtype)));
    }
    return text_value(Value::Kind::global, name);
  }

  /// A tensor that the container lists; else a storage or class that stands on its own: kept as an object with its id
  /// as arguments.
  ValuePtr persistent(NodeId node) {
    if (ValuePtr tensor = tensor_value(node)) return tensor;
    auto value = of_kind(Value::Kind::object);
    value->class_name = "persistent_id";
    for (const NodeId item : tree_.items(node)) value->items.push_back(make(item));
    return value;
  }

  ValuePtr tensor_value(NodeId node) const {
    if (rows_[node] == 0 || rows_[node] == kNone) return nullptr;
    auto value = of_kind(Value::Kind::tensor);
    value->tensor = rows_[node] - 1;
    if (tree_.kind(node) == Kind::object) value->class_name = tensor_class_name(node);
    return value;
  }

  ValuePtr object(NodeId node) {
    if (ValuePtr tensor = tensor_value(node)) return tensor;
    if (is_mapping(tree_, node)) return mapping(node);
    if (ValuePtr known = known_object(node)) return known;
    if (ValuePtr array = numpy_value(tree_, node)) return array;
    auto value = of_kind(Value::Kind::object);
    const NodeId callable = tree_.callable(node);
    const std::string_view name = class_name(tree_, node);
    value->class_name = name.empty() ? "(call)" : std::string(name);
    if (name.empty()) value->attributes.emplace_back(text_value(Value::Kind::string, "callable"),
                                                                             make(callable));
    if (tree_.kind(tree_.arguments(node)) == Kind::tuple) {
      for (const NodeId item : tree_.items(tree_.arguments(node))) value->items.push_back(make(item));
    } else {
      value->items.push_back(make(tree_.arguments(node)));
    }
    const auto attributes = attribute_mappings(tree_, node);
    for (const NodeId mapping : attributes) add_entries(*value, mapping);
    if (const auto state = tree_.state(node); state && attributes.empty()) {
      value->attributes.emplace_back(text_value(Value::Kind::string, "state"), make(*state));
    }
    const auto assigned = tree_.assigned(node);
    for (std::size_t i = 0; i + 1 < assigned.size(); i += 2) {
      ValuePtr name = make(assigned[i]);
      value->entries.emplace_back(std::move(name), make(assigned[i + 1]));
    }
    for (const NodeId item : tree_.appended(node)) {
      value->attributes.emplace_back(text_value(Value::Kind::string, "[]"), make(item));
    }
    return value;
  }

  /// The class of a tensor that is not a plain one, under the name that users know.
  std::string tensor_class_name(NodeId node) const {
    const Rebuild function = rebuild_function(class_name(tree_, node));
    if (function == Rebuild::parameter || function == Rebuild::parameter_with_state ||
        function == Rebuild::parameter_class) {
      return "torch.nn.Parameter";
    }
    if (function != Rebuild::from_type) return {};
    const NodeId type = tree_.items(tree_.arguments(node))[1];
    if (tree_.kind(type) != Kind::global) return {};
    const std::string_view name = tree_.qualified_name(type);
    if (name == "torch.Tensor" || name == "torch._tensor.Tensor") return {};
    if (name == "torch.nn.parameter.Parameter") return "torch.nn.Parameter";
    return std::string(name);
  }

  /// complex, torch.Size, torch.device and int/float made by a call with plain arguments.
  ValuePtr known_object(NodeId node) {
    const std::string_view name = class_name(tree_, node);
    if (tree_.kind(tree_.arguments(node)) != Kind::tuple) return nullptr;
    const auto arguments = tree_.items(tree_.arguments(node));
    if (name == "builtins.complex" && arguments.size() == 2 && tree_.kind(arguments[0]) == Kind::real &&
        tree_.kind(arguments[1]) == Kind::real) {
      auto value = of_kind(Value::Kind::complex);
      value->real = tree_.real(arguments[0]);
      value->imaginary = tree_.real(arguments[1]);
      return value;
    }
    if (name == "torch.Size" && arguments.size() == 1 && tree_.kind(arguments[0]) == Kind::tuple) {
      auto value = sequence(Value::Kind::tuple, arguments[0]);
      value->class_name = "torch.Size";
      return value;
    }
    if (name == "torch.device" && !arguments.empty() && tree_.kind(arguments[0]) == Kind::string) {
      std::string device(tree_.text(arguments[0]));
      if (arguments.size() > 1 && tree_.kind(arguments[1]) == Kind::integer) {
        device += ":" + std::to_string(tree_.integer(arguments[1]));
      }
      return text_value(Value::Kind::device, std::move(device));
    }
    return nullptr;
  }

  const Tree& tree_;
  const std::vector<std::uint32_t>& rows_;
  const Limits& limits_;
  std::unordered_map<NodeId, ValuePtr> made_;
  std::vector<NodeId> path_;
};

}  // namespace

namespace {

/// Moves the parts that nobody else holds to `alone`; lets go of the others.
void release_parts(Value& value, std::vector<ValuePtr>& alone) {
  const auto release = [&alone](ValuePtr& part) {
    const bool has_parts = part && !(part->items.empty() && part->entries.empty() && part->attributes.empty());
    if (has_parts && part.use_count() == 1) alone.push_back(std::move(part));
  };
  for (ValuePtr& item : value.items) release(item);
  for (auto* const pairs : {&value.entries, &value.attributes}) {
    for (auto& [key, item] : *pairs) {
      release(key);
      release(item);
    }
  }
}

}  // namespace

Value::~Value() {
  if (items.empty() && entries.empty() && attributes.empty()) return;
  std::vector<ValuePtr> alone;
  release_parts(*this, alone);
  while (!alone.empty()) {
    const ValuePtr part = std::move(alone.back());
    alone.pop_back();
    // Held by nobody but us, and made as a Value that is not const.
    release_parts(const_cast<Value&>(*part), alone);
  }
}

ValuePtr make_value(const Tree& tree, NodeId node, const std::vector<std::uint32_t>& rows, const Limits& limits) {
  return ValueMaker(tree, rows, limits).make(node);
}

}  // namespace torchferry
