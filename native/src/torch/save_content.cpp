#include "torch/save_content.h"

#include <torchferry/error.h>

#include "table/torch_names.h"
#include "torch/translate_errors.h"

namespace torchferry {
namespace {

using pickle::Memo;
using Kind = Value::Kind;

/// Containers inside containers: more than Python's own pickler follows, and what an ordinary stack has room
/// for.
constexpr std::size_t kMostDepth = 1'000;

[[noreturn]] void refuse(ErrorCode code, std::string message) { throw Error(code, std::move(message)); }

/// How a key is spelt in messages.
std::string step_text(const Content& key) {
  const Content::Node& node = key.node();
  if (node.kind == Kind::string) return node.text;
  return node.kind == Kind::integer ? std::to_string(node.integer) : "(a key)";
}

bool is_hashable(const Content& key) {
  const Content::Node& node = key.node();
  switch (node.kind) {
    case Kind::list:
    case Kind::dict: return false;
    case Kind::set: return node.class_name == "frozenset";
    case Kind::bytes: return node.class_name.empty();
    case Kind::array: return node.shape.empty();
    case Kind::tuple:
      for (const Content& item : node.items) {
        if (!is_hashable(item)) return false;
      }
      return true;
    default: return true;
  }
}

std::string joined(const std::vector<std::string>& path) {
  std::string text;
  for (const std::string& step : path) text += (text.empty() ? "" : ".") + step;
  return text;
}

}  // namespace

template <class Work>
void ContentPickle::at(std::string step, const Work& work) {
  path_.push_back(std::move(step));
  if (path_.size() > kMostDepth) {
    refuse(ErrorCode::unsupported, "containers are nested deeper than " + std::to_string(kMostDepth) +
                                       ", which Python's pickler would not write either");
  }
  work();
  path_.pop_back();
}

std::string ContentPickle::write() {
  try {
    translated(ErrorCode::unsupported, [this] {
      collect(content_);
      write(content_);
    });
  } catch (const Error& error) {
    if (path_.empty()) throw;
    throw Error(error.code(), error.file(), error.record(), error.offset(),
                std::string(at_tensor_ ? "tensor '" : "'") + joined(path_) + "': " + error.message());
  }
  return std::move(out_).finish();
}

void ContentPickle::collect(const Content& content) {
  const Node& node = content.node();
  if (!collected_.insert(&node).second) return;
  if (node.kind == Kind::tensor) return collect(node.tensor, node.location);
  if (node.state_dict) return collect(*node.state_dict);
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    at(std::to_string(i), [&] { collect(node.items[i]); });
  }
  for (const auto* const pairs : {&node.entries, &node.attributes}) {
    for (const auto& [key, held] : *pairs) {
      collect(key);
      at(step_text(key), [&, &value = held] { collect(value); });
    }
  }
}

void ContentPickle::collect(const at::Tensor& tensor, const std::optional<std::string>& location) {
  at_tensor_ = true;
  tensors_.collect(tensor, location);
  at_tensor_ = false;
}

void ContentPickle::collect(const StateDict& state_dict) {
  for (std::size_t i = 0; i < state_dict.size(); ++i) {
    at(std::string(state_dict.key(i)), [&] { collect(state_dict.tensor(i), {}); });
  }
}

void ContentPickle::write(const Content& content) {
  const Node& node = content.node();
  if (const auto known = written_.find(&node); known != written_.end()) return out_.recall(known->second);
  if (const auto memo = write_node(node)) written_.emplace(&node, *memo);
}

std::optional<Memo> ContentPickle::write_node(const Node& node) {
  switch (node.kind) {
    case Kind::none: out_.none(); return std::nullopt;
    case Kind::boolean: out_.boolean(node.integer != 0); return std::nullopt;
    case Kind::integer: out_.integer(node.integer); return std::nullopt;
    case Kind::big_int: out_.big_integer(node.text); return std::nullopt;
    case Kind::real: out_.real(node.real); return std::nullopt;
    case Kind::complex: return write_complex(node);
    case Kind::string: out_.word(node.text); return std::nullopt;
    case Kind::bytes: return write_bytes(node);
    case Kind::list: return write_list(node);
    case Kind::tuple: return write_tuple(node);
    case Kind::set: return write_set(node);
    case Kind::dict: return node.state_dict ? write_state_dict(*node.state_dict) : write_dict(node);
    case Kind::tensor:
      write_tensor(node.tensor, node.parameter ? TensorForm::parameter : TensorForm::with_gradient);
      return std::nullopt;
    case Kind::array: return numpy_.write(node);
    case Kind::dtype: write_dtype(node.text); return std::nullopt;
    case Kind::device: return write_device(node.text);
    case Kind::global: write_global(node.text); return std::nullopt;
    case Kind::object: return write_object(node);
  }
  return std::nullopt;
}

void ContentPickle::write_tensor(const at::Tensor& tensor, TensorForm form) {
  at_tensor_ = true;
  tensors_.write(tensor, form);
  at_tensor_ = false;
}

Memo ContentPickle::write_complex(const Node& node) {
  return out_.call("__builtin__", "complex", 2, [&] {
    out_.real(node.real);
    out_.real(node.imaginary);
  });
}

std::optional<Memo> ContentPickle::write_bytes(const Node& node) {
  if (node.class_name != "bytearray") {
    out_.bytes(node.text);
    return std::nullopt;
  }
  return out_.call("__builtin__", "bytearray", 1, [&] { out_.bytes(node.text); });
}

void ContentPickle::write_item(const Content::Items& items, std::size_t index) {
  at(std::to_string(index), [&] { write(items[index]); });
}

void ContentPickle::write_items(const Content::Items& items) {
  for (std::size_t i = 0; i < items.size(); ++i) write_item(items, i);
}

Memo ContentPickle::write_list(const Node& node) {
  const Memo memo = out_.empty_list();
  out_.append(node.items.size(), [&](std::size_t i) { write_item(node.items, i); });
  return memo;
}

std::optional<Memo> ContentPickle::write_tuple(const Node& node) {
  const auto write_plain = [&] { return out_.tuple(node.items.size(), [&] { write_items(node.items); }); };
  if (node.class_name != "torch.Size") return write_plain();
  return out_.call("torch", "Size", 1, write_plain);
}

Memo ContentPickle::write_set(const Node& node) {
  for (const Content& item : node.items) require_hashable(item);
  const char* const name = node.class_name == "frozenset" ? "frozenset" : "set";
  return out_.call("__builtin__", name, 1, [&] { write_list(node); });
}

void ContentPickle::require_hashable(const Content& key) const {
  if (!is_hashable(key)) {
    refuse(ErrorCode::invalid_argument,
           "a list, dict or set cannot be a dict's key or a set's element in Python");
  }
}

void ContentPickle::write_entries(const Content::Entries& entries) {
  out_.set_items(entries.size(), [&](std::size_t i) {
    const auto& [key, held] = entries[i];
    at(step_text(key), [&, &name = key, &value = held] {
      require_hashable(name);
      write(name);
      write(value);
    });
  });
}

Memo ContentPickle::write_dict(const Node& node) {
  const std::string& name = node.class_name;
  if (name.empty()) {
    if (!node.attributes.empty()) refuse(ErrorCode::unsupported, "a plain dict has no attributes");
    const Memo memo = out_.empty_dict();
    write_entries(node.entries);
    return memo;
  }
  Memo memo = 0;
  if (name == "collections.Counter") {
    memo = out_.call("collections", "Counter", 1, [&] {
      out_.empty_dict();
      write_entries(node.entries);
    });
  } else if (name == "collections.OrderedDict") {
    memo = tensors_.write_hooks();
    write_entries(node.entries);
  } else if (name == "collections.defaultdict") {
    memo = out_.call("collections", "defaultdict", node.items.size(), [&] { write_items(node.items); });
    write_entries(node.entries);
  } else {
    refuse(ErrorCode::unsupported, "a dict of the class " + name + " is not written");
  }
  if (node.attributes.empty()) return memo;
  out_.build([&] {
    out_.empty_dict();
    write_entries(node.attributes);
  });
  return memo;
}

Memo ContentPickle::write_state_dict(const StateDict& state_dict) {
  const Memo memo = options_.ordered_dict ? tensors_.write_hooks() : out_.empty_dict();
  out_.set_items(state_dict.size(), [&](std::size_t i) {
    at(std::string(state_dict.key(i)), [&] {
      out_.text(state_dict.key(i));
      const bool parameter = options_.keep_parameters && state_dict.is_parameter(i);
      write_tensor(state_dict.tensor(i), parameter ? TensorForm::parameter : TensorForm::plain);
    });
  });
  if (options_.ordered_dict && state_dict.has_metadata()) write_versions(state_dict.versions());
  return memo;
}

/// The attributes of the OrderedDict written last.
void ContentPickle::write_versions(const ModuleVersions& versions) {
  out_.build([&] {
    out_.empty_dict();
    out_.set_items(1, [&](std::size_t) {
      out_.word("_metadata");
      tensors_.write_hooks();
      out_.set_items(versions.size(), [&](std::size_t i) {
        out_.text(versions[i].first);
        out_.empty_dict();
        out_.set_items(1, [&](std::size_t) {
          out_.word("version");
          out_.integer(versions[i].second);
        });
      });
    });
  });
}

void ContentPickle::write_dtype(const std::string& name) {
  const auto dtype = dtype_named(name);
  if (!dtype) refuse(ErrorCode::invalid_argument, "there is no dtype '" + name + "'");
  out_.global("torch", torchferry::name(*dtype));
}

Memo ContentPickle::write_device(const std::string& text) {
  const Device device = Device::parse(text);
  return out_.call("torch", "device", device.index < 0 ? 1 : 2, [&] {
    out_.word(device.type);
    if (device.index >= 0) out_.integer(device.index);
  });
}

/// Names only that readers know without importing anything.
void ContentPickle::write_global(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos || (!is_weights_only_global(name) && !is_plain_data_global(name))) {
    refuse(ErrorCode::unsupported, "the name " + name +
                                       " is not written: only names are that torch.load takes for weights; "
                                       "leave it out");
  }
  const std::string module = name.substr(0, dot);
  out_.global(module == "builtins" ? "__builtin__" : module, name.substr(dot + 1));
}

Memo ContentPickle::write_object(const Node& node) {
  const bool is_layout = node.class_name == "torch.serialization._get_layout" && node.items.size() == 1;
  if (!is_layout || !node.entries.empty() || !node.attributes.empty()) {
    refuse(ErrorCode::unsupported, "an object of the class " + node.class_name +
                                       " is not written: only plain values are; leave it out, or put plain "
                                       "values in its place");
  }
  return out_.call("torch.serialization", "_get_layout", 1, [&] { write(node.items.front()); });
}

}  // namespace torchferry
