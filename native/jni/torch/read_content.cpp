#include "read_content.h"

#include <torchferry/error.h>

#include <map>
#include <utility>

#include "pack.h"

namespace torchferry::jni {
namespace {

using Kind = Value::Kind;
using Node = Content::Node;

// Beyond the kinds of Value.
constexpr std::uint8_t kStateDict = 18;
constexpr std::uint8_t kTensor = 19;

[[noreturn]] void broken() {
  throw Error(ErrorCode::invalid_argument, "packed content is not what it should be");
}

template <class Elements>
const auto& element(const Elements& elements, std::size_t index) {
  if (index >= elements.size()) broken();
  return elements[index];
}

class Reading {
 public:
  Reading(PackReader& in, const std::vector<const StateDict*>& dicts,
          const std::vector<const OpenedCheckpoint*>& checkpoints, std::vector<Content>& nodes)
      : in_(in), dicts_(dicts), nodes_(nodes) {
    const std::size_t count = in.count();
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<std::uint32_t> rows(in.count());
      for (std::uint32_t& row : rows) row = static_cast<std::uint32_t>(in.i32());
      const OpenedCheckpoint& opened = *element(checkpoints, i);
      saved_.push_back(walk(opened, [&] { return saved_tensors(opened.checkpoint, rows); }));
    }
  }

  void run() {
    const std::size_t count = in_.count();
    for (std::size_t i = 0; i < count; ++i) nodes_.push_back(next());
    if (nodes_.empty()) broken();
  }

 private:
  Content next() {
    const std::uint8_t kind = in_.u8();
    if (kind == kStateDict) return Content(*element(dicts_, in_.count()));
    if (kind == kTensor) return tensor();
    if (kind > static_cast<std::uint8_t>(Kind::object)) broken();
    if (static_cast<Kind>(kind) == Kind::tensor) return saved_tensor();
    Node node;
    node.kind = static_cast<Kind>(kind);
    fill(node);
    return Content(std::move(node));
  }

  void fill(Node& node) {
    switch (node.kind) {
      case Kind::boolean: node.integer = in_.u8(); break;
      case Kind::integer: node.integer = in_.i64(); break;
      case Kind::real: node.real = in_.f64(); break;
      case Kind::complex:
        node.real = in_.f64();
        node.imaginary = in_.f64();
        break;
      case Kind::big_int:
      case Kind::string:
      case Kind::dtype:
      case Kind::device:
      case Kind::global: node.text = in_.string(); break;
      case Kind::bytes:
        node.text = in_.string();
        node.class_name = in_.string();
        break;
      case Kind::array:
        node.class_name = in_.string();
        node.shape.resize(in_.count());
        for (std::int64_t& size : node.shape) size = in_.i64();
        node.text = in_.string();
        break;
      default: fill_container(node); break;
    }
  }

  void fill_container(Node& node) {
    if (node.kind == Kind::none) return;
    if (node.kind != Kind::list) node.class_name = in_.string();
    for (std::size_t n = in_.count(); n > 0; --n) node.items.push_back(refer());
    if (node.kind == Kind::dict || node.kind == Kind::object) node.entries = pairs();
    if (node.kind == Kind::dict) node.attributes = pairs();
  }

  const Content& refer() { return element(nodes_, in_.count()); }

  Content::Entries pairs() {
    Content::Entries pairs;
    for (std::size_t n = in_.count() / 2; n > 0; --n) {
      const Content& key = refer();
      pairs.emplace_back(key, refer());
    }
    return pairs;
  }

  Content tensor() {
    const StateDict& owner = *element(dicts_, in_.count());
    const std::size_t index = in_.count();
    if (index >= owner.size()) broken();
    return Content(owner.tensor(index));
  }

  Content saved_tensor() {
    const std::size_t checkpoint = in_.count();
    const std::vector<Content>& tensors = element(saved_, checkpoint);
    const std::size_t place = in_.count();
    const Content& tensor = element(tensors, place);
    if (in_.u8() == 0) return tensor;
    const auto [known, is_new] = data_.try_emplace({checkpoint, place}, tensor);
    if (is_new) {
      Node node = tensor.node();
      node.parameter = false;
      node.tensor = node.tensor.detach();
      known->second = Content(std::move(node));
    }
    return known->second;
  }

  PackReader& in_;
  const std::vector<const StateDict*>& dicts_;
  std::vector<Content>& nodes_;
  std::vector<std::vector<Content>> saved_;  ///< by checkpoint, in the order of its rows
  /// Those of them that are written as data, one object each.
  std::map<std::pair<std::size_t, std::size_t>, Content> data_;
};

}  // namespace

PackedContent::PackedContent(const std::string& packed, const std::vector<const StateDict*>& dicts,
                             const std::vector<const OpenedCheckpoint*>& checkpoints) {
  PackReader in(packed);
  depth_ = static_cast<std::uint32_t>(in.count());
  Reading(in, dicts, checkpoints, nodes_).run();
}

PackedContent::~PackedContent() {
  while (!nodes_.empty()) nodes_.pop_back();
}

}  // namespace torchferry::jni
