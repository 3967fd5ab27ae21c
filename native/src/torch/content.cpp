#include <torchferry/content.h>
#include <torchferry/error.h>

#include <functional>
#include <unordered_map>
#include <unordered_set>

namespace torchferry {
namespace {

using Kind = Value::Kind;

Content::Node of_kind(Kind kind) {
  Content::Node node;
  node.kind = kind;
  return node;
}

Content text_content(Kind kind, std::string text) {
  Content::Node node = of_kind(kind);
  node.text = std::move(text);
  return Content(std::move(node));
}

Content sequence(Kind kind, Content::Items items) {
  Content::Node node = of_kind(kind);
  node.items = std::move(items);
  return Content(std::move(node));
}

Content mapping(std::string class_name, Content::Entries entries) {
  Content::Node node = of_kind(Kind::dict);
  node.class_name = std::move(class_name);
  node.entries = std::move(entries);
  return Content(std::move(node));
}

/// Values as content. One value on two paths becomes one content.
class Conversion {
 public:
  explicit Conversion(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  Content convert(const ValuePtr& root) {
    find_rows(*root);
    const std::vector<Content> tensors = saved_tensors(checkpoint_, rows_);
    for (std::size_t i = 0; i < rows_.size(); ++i) tensors_.emplace(rows_[i], tensors[i]);
    return made(root);
  }

 private:
  void find_rows(const Value& value) {
    if (!seen_.insert(&value).second) return;
    if (value.kind == Kind::tensor && tensors_at_.insert(value.tensor).second) rows_.push_back(value.tensor);
    for (const ValuePtr& item : value.items) find_rows(*item);
    for (const auto* pairs : {&value.entries, &value.attributes}) {
      for (const auto& [key, held] : *pairs) {
        find_rows(*key);
        find_rows(*held);
      }
    }
  }

  Content made(const ValuePtr& value) {
    if (value->kind == Kind::tensor) return tensors_.at(value->tensor);
    if (const auto known = made_.find(value.get()); known != made_.end()) return known->second;
    Content::Node node = of_kind(value->kind);
    node.integer = value->integer;
    node.real = value->real;
    node.imaginary = value->imaginary;
    node.text = value->text;
    node.class_name = value->class_name;
    node.shape = value->shape;
    for (const ValuePtr& item : value->items) node.items.push_back(made(item));
    node.entries = pairs(value->entries);
    node.attributes = pairs(value->attributes);
    return made_.emplace(value.get(), Content(std::move(node))).first->second;
  }

  Content::Entries pairs(const std::vector<std::pair<ValuePtr, ValuePtr>>& values) {
    Content::Entries entries;
    for (const auto& [key, held] : values) {
      Content name = made(key);
      entries.emplace_back(std::move(name), made(held));
    }
    return entries;
  }

  const Checkpoint& checkpoint_;
  std::unordered_set<const Value*> seen_;
  std::unordered_set<std::uint32_t> tensors_at_;
  std::vector<std::uint32_t> rows_;
  std::unordered_map<std::uint32_t, Content> tensors_;
  std::unordered_map<const Value*, Content> made_;
};

/// The first name of each row among the checkpoint's tensors.
std::unordered_map<std::uint32_t, std::string_view> first_names(const Checkpoint& checkpoint) {
  std::unordered_map<std::uint32_t, std::string_view> names;
  for (const Entry& entry : checkpoint.entries()) names.emplace(entry.tensor, entry.key);
  return names;
}

/// Names for a load, all different: the file's own where they are.
std::vector<std::string> distinct_names(const Checkpoint& checkpoint, std::span<const std::uint32_t> rows) {
  const auto known = first_names(checkpoint);
  std::unordered_set<std::string> used;
  std::vector<std::string> names;
  for (const std::uint32_t row : rows) {
    const auto found = known.find(row);
    std::string name = found == known.end() ? std::string() : std::string(found->second);
    if (found == known.end() || !used.insert(name).second) {
      name += " (tensor " + std::to_string(row) + " of the file)";
      used.insert(name);
    }
    names.push_back(std::move(name));
  }
  return names;
}

}  // namespace

Content::Content() : node_(std::make_shared<const Node>()) {}
Content::Content(Node node) : node_(std::make_shared<const Node>(std::move(node))) {}
Content::Content(std::string text) : Content(text_content(Kind::string, std::move(text))) {}

Content::Content(bool value) {
  Node node = of_kind(Kind::boolean);
  node.integer = value ? 1 : 0;
  *this = Content(std::move(node));
}

Content::Content(double value) {
  Node node = of_kind(Kind::real);
  node.real = value;
  *this = Content(std::move(node));
}

Content::Content(at::Tensor tensor) {
  if (!tensor.defined()) throw Error(ErrorCode::invalid_argument, "an undefined tensor cannot be saved");
  Node node = of_kind(Kind::tensor);
  node.tensor = std::move(tensor);
  *this = Content(std::move(node));
}

Content::Content(StateDict state_dict) {
  Node node = of_kind(Kind::dict);
  node.state_dict = std::move(state_dict);
  *this = Content(std::move(node));
}

Content Content::integer(std::int64_t value) {
  Node node = of_kind(Kind::integer);
  node.integer = value;
  return Content(std::move(node));
}

Content Content::parameter(at::Tensor tensor) {
  Node node = Content(std::move(tensor)).node();
  node.parameter = true;
  return Content(std::move(node));
}

Content Content::list(Items items) { return sequence(Kind::list, std::move(items)); }
Content Content::tuple(Items items) { return sequence(Kind::tuple, std::move(items)); }
Content Content::dict(Entries entries) { return mapping({}, std::move(entries)); }
Content Content::ordered_dict(Entries entries) {
  return mapping("collections.OrderedDict", std::move(entries));
}
Content Content::bytes(std::string bytes) { return text_content(Kind::bytes, std::move(bytes)); }
Content Content::big_integer(std::string decimal) { return text_content(Kind::big_int, std::move(decimal)); }
Content Content::dtype(DType dtype) { return text_content(Kind::dtype, std::string(name(dtype))); }
Content Content::device(const Device& device) { return text_content(Kind::device, device.str()); }

Content Content::size(std::span<const std::int64_t> sizes) {
  Node node = of_kind(Kind::tuple);
  node.class_name = "torch.Size";
  for (const std::int64_t size : sizes) node.items.emplace_back(size);
  return Content(std::move(node));
}

Content Content::of(const Checkpoint& checkpoint, std::span<const std::string> path) {
  return of(checkpoint, checkpoint.value(path));
}

Content Content::of(const Checkpoint& checkpoint, const ValuePtr& value) {
  return Conversion(checkpoint).convert(value);
}

Content Content::with(std::string_view key, Content value) const {
  if (node().kind != Kind::dict || node().state_dict) {
    throw Error(ErrorCode::invalid_argument, "only a dict has keys whose value can be replaced");
  }
  Node changed = node();
  for (auto& [name, held] : changed.entries) {
    if (name.node().kind != Kind::string || name.node().text != key) continue;
    held = std::move(value);
    return Content(std::move(changed));
  }
  changed.entries.emplace_back(key, std::move(value));
  return Content(std::move(changed));
}

std::vector<Content> saved_tensors(const Checkpoint& checkpoint, std::span<const std::uint32_t> rows) {
  const std::vector<std::string> names = distinct_names(checkpoint, rows);
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < rows.size(); ++i) entries.push_back({.key = names[i], .tensor = rows[i]});
  LoadOptions options;
  options.map_location = MapLocation::to(Device::cpu());
  const StateDict loaded = StateDict::load(checkpoint, entries, options);
  if (!loaded.report().skipped.empty()) {
    const auto& [key, reason] = loaded.report().skipped.front();
    throw Error(ErrorCode::unsupported, checkpoint.name(), {}, std::nullopt,
                "tensor '" + key + "': " + reason);
  }
  std::vector<Content> tensors;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const TensorRow& row = checkpoint.table().tensors()[rows[i]];
    Content::Node node = of_kind(Kind::tensor);
    node.tensor = loaded.tensor(i);
    node.location = checkpoint.table().location(row);
    node.parameter = row.parameter;
    tensors.emplace_back(std::move(node));
  }
  return tensors;
}

}  // namespace torchferry
