#include <torchferry/error.h>

#include "table/content.h"
#include "table/rebuild.h"

namespace torchferry {

using pickle::Kind;
using pickle::NodeId;

namespace {

std::optional<Layout> layout_named(std::string_view text) {
  if (text.starts_with("torch.")) text.remove_prefix(6);
  for (const Layout layout : {Layout::strided, Layout::sparse_coo, Layout::sparse_csr, Layout::sparse_csc,
                              Layout::sparse_bsr, Layout::sparse_bsc}) {
    if (name(layout) == text) return layout;
  }
  return std::nullopt;
}

}  // namespace

TensorRow Rebuilder::quantized(NodeId node, Arguments arguments) {
  require_count(node, arguments, 7, 7);
  const StorageUse use = storage(node, arguments[0]);
  if (!is_quantized(use.dtype)) fail(node, "a quantized tensor of type " + std::string(name(use.dtype)));
  TensorRow row = TableBuilder::blank(use.dtype);
  place(node, row, use, arguments[1], arguments[2], arguments[3]);
  set_quantizer(node, row, arguments[4]);
  return row;
}

void Rebuilder::set_quantizer(NodeId node, TensorRow& row, NodeId parameters) {
  if (tree_.kind(parameters) != Kind::tuple) fail(node, "quantizer parameters are not a tuple");
  const auto fields = tree_.items(parameters);
  if (fields.empty() || tree_.kind(fields[0]) != Kind::global) fail(node, "a quantizer without a scheme");
  const std::string_view scheme = tree_.qualified_name(fields[0]);
  if (scheme == "torch.per_tensor_affine") {
    if (fields.size() != 3 || tree_.kind(fields[1]) != Kind::real) fail(node, "bad per_tensor_affine parameters");
    row.qscheme = QScheme::per_tensor_affine;
    row.scale = tree_.real(fields[1]);
    row.zero_point = integer(node, fields[2], "zero point");
    return;
  }
  if (scheme != "torch.per_channel_affine" && scheme != "torch.per_channel_affine_float_qparams") {
    builder_.set_unsupported(row, "quantization scheme " + std::string(scheme));
    return;
  }
  if (fields.size() != 4) fail(node, "bad per_channel_affine parameters");
  if (tree_.kind(unwrap(tree_, fields[1])) == Kind::list) {
    builder_.set_unsupported(row, "per-channel quantization with scales in a list (PyTorch before 1.1)");
    return;
  }
  const std::uint32_t scales = part(node, fields[1]);
  const std::uint32_t zero_points = part(node, fields[2]);
  row.axis = integer(node, fields[3], "quantization axis");
  if (row.axis < 0 || row.axis >= row.dim) fail(node, "quantization axis " + std::to_string(row.axis) + " out of range");
  const auto channels = static_cast<std::uint64_t>(builder_.table().sizes(row)[static_cast<std::size_t>(row.axis)]);
  for (const std::uint32_t values : {scales, zero_points}) {
    const TensorRow& part_row = builder_.table().tensors()[values];
    if (part_row.dim != 1 || part_row.numel != channels || part_row.layout != Layout::strided) {
      fail(node, "scales and zero points length must equal the size of the quantization axis");
    }
  }
  const bool float_parameters = builder_.table().tensors()[scales].dtype == DType::float32;
  row.qscheme = float_parameters ? QScheme::per_channel_affine_float_qparams : QScheme::per_channel_affine;
  builder_.set_parts(row, {scales, zero_points});
}

TensorRow Rebuilder::sparse(NodeId node, Arguments arguments) {
  if (arguments.size() >= 6 && tree_.kind(arguments[0]) == Kind::integer) {  // as libtorch's C++ pickler writes it
    switch (tree_.integer(arguments[0])) {
      case 1: return sparse_of(node, Layout::sparse_coo, arguments[1], {arguments[3], arguments[4]});
      case 2: {
        require_count(node, arguments, 7, 7);
        return sparse_of(node, Layout::sparse_csr, arguments[1], {arguments[3], arguments[4], arguments[5]});
      }
      default: fail(node, "unknown sparse layout " + std::to_string(tree_.integer(arguments[0])));
    }
  }
  require_count(node, arguments, 2, 2);
  NodeId layout_node = arguments[0];
  if (tree_.kind(layout_node) == Kind::object && class_name(tree_, layout_node) == "torch.serialization._get_layout") {
    const NodeId name_arguments = tree_.arguments(layout_node);
    if (tree_.kind(name_arguments) == Kind::tuple && tree_.items(name_arguments).size() == 1) {
      layout_node = tree_.items(name_arguments)[0];
    }
  }
  std::string_view text_of_layout;
  if (tree_.kind(layout_node) == Kind::global) {
    text_of_layout = tree_.qualified_name(layout_node);
  } else {
    text_of_layout = text(node, layout_node, "layout");
  }
  const std::optional<Layout> layout = layout_named(text_of_layout);
  if (!layout || *layout == Layout::strided) fail(node, "unknown sparse layout " + std::string(text_of_layout));
  if (tree_.kind(arguments[1]) != Kind::tuple) fail(node, "a sparse tensor's data are not a tuple");
  const auto data = tree_.items(arguments[1]);
  if (*layout == Layout::sparse_coo) {
    if (data.size() != 3 && data.size() != 4) fail(node, "a sparse COO tensor needs indices, values and size");
    TensorRow row = sparse_of(node, *layout, data[2], {data[0], data[1]});
    row.coalesced = data.size() == 4 && tree_.kind(data[3]) == Kind::boolean && tree_.boolean(data[3]);
    return row;
  }
  if (data.size() != 4) fail(node, "a compressed sparse tensor needs two index tensors, values and size");
  return sparse_of(node, *layout, data[3], {data[0], data[1], data[2]});
}

TensorRow Rebuilder::sparse_of(NodeId node, Layout layout, NodeId size, std::initializer_list<NodeId> parts) {
  std::uint32_t rows[3] = {};
  std::size_t count = 0;
  for (const NodeId one : parts) rows[count++] = part(node, one);
  const TensorRow values = builder_.table().tensors()[rows[count - 1]];
  TensorRow row = TableBuilder::blank(values.dtype);
  row.layout = layout;
  row.location = values.location;
  integers(node, size, "size", sizes_);
  builder_.set_geometry(row, sizes_, {});
  if (count == 2) {
    builder_.set_parts(row, {rows[0], rows[1]});
  } else {
    builder_.set_parts(row, {rows[0], rows[1], rows[2]});
  }
  return row;
}

TensorRow Rebuilder::nested(NodeId node, Arguments arguments) {
  require_count(node, arguments, 4, 4);
  std::uint32_t rows[4];
  for (std::size_t i = 0; i < 4; ++i) rows[i] = part(node, arguments[i]);
  const TensorRow buffer = builder_.table().tensors()[rows[0]];
  const TensorRow sizes = builder_.table().tensors()[rows[1]];
  TensorRow row = TableBuilder::blank(buffer.dtype);
  row.layout = Layout::nested;
  row.location = buffer.location;
  // Components have shapes of their own: the row counts them in its first dimension and leaves the rest open.
  sizes_.assign(1, sizes.dim == 2 ? builder_.table().sizes(sizes)[0] : 0);
  builder_.set_geometry(row, sizes_, {});
  row.numel = buffer.numel;
  builder_.set_parts(row, {rows[0], rows[1], rows[2], rows[3]});
  return row;
}

TensorRow Rebuilder::meta(NodeId node, Arguments arguments) {
  require_count(node, arguments, 4, 4);
  TensorRow row = TableBuilder::blank(dtype(node, arguments[0]));
  row.location = builder_.location("meta");
  integers(node, arguments[1], "size", sizes_);
  integers(node, arguments[2], "stride", strides_);
  if (sizes_.size() != strides_.size()) fail(node, "a meta tensor with as many strides as sizes is needed");
  builder_.set_geometry(row, sizes_, strides_);
  require_grad(node, row, arguments[3]);
  return row;
}

TensorRow Rebuilder::device_tensor(NodeId node, Rebuild function, Arguments arguments) {
  require_count(node, arguments, 4, 4);
  const std::string device = device_text(node, arguments[2]);
  if (function == Rebuild::device_tensor_from_numpy) {
    TensorRow row = TableBuilder::blank(dtype(node, arguments[1]));
    row.location = builder_.location(device);
    builder_.set_geometry(row, {}, {});
    builder_.set_unsupported(row, "a tensor of device " + device + " kept as a numpy array");
    return row;
  }
  std::optional<TensorRow> row = build(unwrap(tree_, arguments[0]));
  if (!row) fail(node, "a device tensor without its CPU tensor");
  row->location = builder_.location(device);
  require_grad(node, *row, arguments[3]);
  if (dtype(node, arguments[1]) != row->dtype) {
    builder_.set_unsupported(*row, "a device tensor whose type differs from the one it was saved with");
  }
  return *row;
}

std::string Rebuilder::device_text(NodeId node, NodeId of) const {
  if (tree_.kind(of) == Kind::object && class_name(tree_, of) == "torch.device") {
    const NodeId arguments = tree_.arguments(of);
    if (tree_.kind(arguments) == Kind::tuple && !tree_.items(arguments).empty()) {
      const auto fields = tree_.items(arguments);
      std::string device(text(node, fields[0], "device"));
      if (fields.size() > 1) device += ":" + std::to_string(integer(node, fields[1], "device index"));
      return device;
    }
  }
  return std::string(text(node, of, "device"));
}

TensorRow Rebuilder::wrapper(NodeId node, Arguments arguments) {
  require_count(node, arguments, 8, 8);
  TensorRow row = TableBuilder::blank(dtype(node, arguments[1]));
  row.location = builder_.location(device_text(node, arguments[6]));
  integers(node, arguments[2], "size", sizes_);
  integers(node, arguments[3], "stride", strides_);
  builder_.set_geometry(row, sizes_, strides_.size() == sizes_.size() ? std::span(strides_) : std::span<std::int64_t>{});
  const bool named = tree_.kind(arguments[0]) == Kind::global;
  builder_.set_unsupported(row, "tensor subclass " +
                                    (named ? std::string(tree_.qualified_name(arguments[0])) : std::string("?")) +
                                    " has no data of its own");
  return row;
}

std::optional<TensorRow> Rebuilder::parameter(NodeId node, Rebuild function, Arguments arguments) {
  NodeId data = node;
  NodeId flag = node;
  const bool by_class = function == Rebuild::parameter_class || function == Rebuild::variable_class;
  if (by_class && arguments.empty()) {  // PyTorch 0.3: NEWOBJ () and BUILD (data, …)
    const std::optional<NodeId> state = tree_.state(node);
    if (!state || tree_.kind(*state) != Kind::tuple || tree_.items(*state).size() < 4) return std::nullopt;
    data = tree_.items(*state)[0];
    flag = tree_.items(*state)[3];
    if (tree_.kind(flag) != Kind::boolean && tree_.items(*state).size() == 4) flag = tree_.items(*state)[1];
  } else {
    const bool with_state = function == Rebuild::parameter_with_state;
    require_count(node, arguments, with_state ? 4 : by_class ? 1 : 2, with_state ? 4 : 3);
    data = arguments[0];
    flag = arguments.size() > 1 ? arguments[1] : parameter_flag(node);
  }
  std::optional<TensorRow> row = build(unwrap(tree_, data));
  if (!row) fail(node, "a parameter without a tensor");
  if (flag == node) {
    row->requires_grad = function == Rebuild::parameter_class;
  } else {
    require_grad(node, *row, flag);
  }
  row->parameter = function != Rebuild::variable_class;
  return row;
}

/// PyTorch 0.1 to 0.3 called the class with the tensor alone, then gave (requires_grad, volatile, hooks) by BUILD. The
/// node itself where nothing is given.
NodeId Rebuilder::parameter_flag(NodeId node) const {
  const std::optional<NodeId> state = tree_.state(node);
  if (!state) return node;
  const auto fields = tree_.items(*state);
  if (tree_.kind(*state) != Kind::tuple || fields.size() != 3) fail(node, "a parameter with an unknown state");
  return fields[0];
}

std::optional<TensorRow> Rebuilder::from_type(NodeId node, Arguments arguments) {
  require_count(node, arguments, 4, 4);
  const Rebuild function = function_of(arguments[0]);
  if (tree_.kind(arguments[2]) != Kind::tuple) fail(node, "a tensor subclass whose arguments are not a tuple");
  const bool has_state = tree_.kind(arguments[3]) != Kind::none;
  // A wrapper subclass (DTensor) keeps its tensors in its state: they are reached by walking it, as an object's.
  if (function == Rebuild::unknown || (function == Rebuild::wrapper_subclass && has_state)) return std::nullopt;
  std::optional<TensorRow> row = build_call(node, function, tree_.items(arguments[2]));
  if (!row) return row;
  const bool named = tree_.kind(arguments[1]) == Kind::global;
  const std::string_view type = named ? tree_.qualified_name(arguments[1]) : std::string_view{};
  if (type == "torch.nn.parameter.Parameter") row->parameter = true;
  row->buffer = type == "torch.nn.parameter.Buffer";
  const NodeId state = arguments[3];
  if (is_mapping(tree_, state)) {
    const auto mark = mapping_get(tree_, state, "_is_buffer");
    if (mark && tree_.kind(*mark) == Kind::boolean && tree_.boolean(*mark)) row->buffer = true;
  }
  return row;
}

std::optional<TensorRow> Rebuilder::tensor_object(NodeId node) {
  const std::optional<NodeId> state = tree_.state(node);
  if (!state || tree_.kind(*state) != Kind::tuple || tree_.items(*state).size() != 4) return std::nullopt;
  const auto fields = tree_.items(*state);
  const StorageUse use = storage(node, fields[0]);
  TensorRow row = TableBuilder::blank(use.dtype);
  place(node, row, use, fields[1], fields[2], fields[3]);
  return row;
}

}  // namespace torchferry
