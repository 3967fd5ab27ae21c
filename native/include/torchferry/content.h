#pragma once

#include <ATen/core/Tensor.h>
#include <torchferry/checkpoint.h>
#include <torchferry/device.h>
#include <torchferry/dtype.h>
#include <torchferry/state_dict.h>
#include <torchferry/value.h>

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace torchferry {

/// What a checkpoint is to hold: a tree of Python's values with tensors and state dicts in it, for `save`.
///
///     save(Content::dict({{"model", weights}, {"optimizer", Content::dict({{"lr", 0.1}})}, {"epoch", 3}}),
///          path);
///
/// Immutable and cheap to copy; a part that stands in two places is one object in the file, as in Python.
/// Safe to use from any thread.
class Content {
 public:
  using Items = std::vector<Content>;
  using Entries = std::vector<std::pair<Content, Content>>;

  /// None.
  Content();
  Content(bool value);
  template <std::integral Integer>
    requires(!std::same_as<Integer, bool>)
  Content(Integer value) : Content(integer(static_cast<std::int64_t>(value))) {
    static_assert(sizeof(Integer) < 8 || std::signed_integral<Integer>, "use Content::big_integer");
  }
  Content(double value);
  /// A str: UTF-8, lone surrogates as three bytes.
  Content(std::string text);
  Content(std::string_view text) : Content(std::string(text)) {}
  Content(const char* text) : Content(std::string(text)) {}
  /// A plain tensor with its requires_grad, as torch.save writes it.
  Content(at::Tensor tensor);
  /// A torch.nn.Parameter.
  static Content parameter(at::Tensor tensor);
  /// What `save` of the state dict alone writes: an OrderedDict with its `_metadata`, or a plain dict.
  Content(StateDict state_dict);

  static Content list(Items items);
  static Content tuple(Items items);
  /// Keys may be of any kind that Python can hash.
  static Content dict(Entries entries);
  static Content ordered_dict(Entries entries);
  static Content bytes(std::string bytes);
  /// An int beyond 64 bits, in decimal digits.
  static Content big_integer(std::string decimal);
  static Content size(std::span<const std::int64_t> sizes);  ///< torch.Size
  static Content dtype(DType dtype);
  static Content device(const Device& device);

  /// The content of a checkpoint, or of one place in it, unchanged: its tensors are views of the file and
  /// keep the locations that they were saved with. Throws what Checkpoint::value and StateDict::load throw,
  /// also Error(unsupported) for a tensor that libtorch cannot represent.
  static Content of(const Checkpoint& checkpoint, std::span<const std::string> path = {});
  /// A value read from that checkpoint.
  static Content of(const Checkpoint& checkpoint, const ValuePtr& value);

  /// A copy of a dict in which `key` (a string) has another value: in its old place, or at the end. Throws
  /// Error(invalid_argument) when this is not a dict.
  Content with(std::string_view key, Content value) const;

  /// What it is made of, in the terms of `Value`; for those who write it.
  struct Node {
    Value::Kind kind = Value::Kind::none;
    std::int64_t integer = 0;
    double real = 0;
    double imaginary = 0;
    std::string text;
    std::string class_name;
    std::vector<std::int64_t> shape;
    Items items;  ///< a defaultdict's too: the arguments of its constructor
    Entries entries;
    Entries attributes;
    at::Tensor tensor;       ///< Kind::tensor
    bool parameter = false;  ///< the tensor is a torch.nn.Parameter
    std::optional<std::string> location;  ///< that the tensor is saved with; none: its device's
    std::optional<StateDict> state_dict;  ///< Kind::dict that stands for a whole state dict
  };
  explicit Content(Node node);
  const Node& node() const noexcept { return *node_; }

 private:
  static Content integer(std::int64_t value);

  std::shared_ptr<const Node> node_;
};

/// Tensors of a checkpoint by their rows of its table, as `Content::of` has them: CPU tensors that are views
/// of the file, with the locations that they were saved with.
std::vector<Content> saved_tensors(const Checkpoint& checkpoint, std::span<const std::uint32_t> rows);

}  // namespace torchferry
