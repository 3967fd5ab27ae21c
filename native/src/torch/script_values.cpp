#include "torch/script_values.h"

#include <ATen/core/jit_type.h>
#include <torchferry/error.h>

#include <utility>
#include <vector>

#include "torch/plain_mode.h"
#include "torch/views.h"

namespace torchferry {
namespace {

[[noreturn]] void refuse(const c10::IValue& value, const c10::TypePtr& type, const std::string& argument) {
  throw Error(ErrorCode::invalid_argument, argument + " wants " + type->annotation_str() + ", but got " +
                                               value.tagKind());
}

template <class Items>
c10::IValue list_of(const Items& items, const c10::TypePtr& element, const std::string& argument) {
  c10::impl::GenericList list(element);
  for (const c10::IValue& one : items) list.push_back(coerced(one, element, argument));
  return list;
}

c10::IValue tuple_of(const c10::IValue& value, const c10::TupleType& type, const c10::TypePtr& whole,
                     const std::string& argument) {
  const auto& given = value.toTupleRef().elements();
  const auto wanted = type.elements();
  if (given.size() != wanted.size()) refuse(value, whole, argument);
  std::vector<c10::IValue> items;
  for (std::size_t i = 0; i < wanted.size(); ++i) items.push_back(coerced(given[i], wanted[i], argument));
  return c10::ivalue::Tuple::create(std::move(items));
}

c10::IValue dict_of(const c10::IValue& value, const c10::DictType& type, const std::string& argument) {
  c10::impl::GenericDict dict(type.getKeyType(), type.getValueType());
  for (const auto& entry : value.toGenericDict()) {
    dict.insert(coerced(entry.key(), type.getKeyType(), argument),
                coerced(entry.value(), type.getValueType(), argument));
  }
  return dict;
}

c10::IValue any_of(const c10::IValue& value, const c10::TypePtr& type, at::ArrayRef<c10::TypePtr> choices,
                   const std::string& argument) {
  for (const c10::TypePtr& choice : choices) {
    try {
      return coerced(value, choice, argument);
    } catch (const Error&) {
      // The next type may take it.
    }
  }
  refuse(value, type, argument);
}

bool has_plain_storage(const at::Tensor& tensor) {
  return tensor.layout() == c10::kStrided && !tensor.is_nested() && !tensor.is_quantized() && tensor.has_storage();
}

}  // namespace

c10::IValue coerced(const c10::IValue& value, const c10::TypePtr& type, const std::string& argument) {
  const auto only_if = [&](bool fits) -> c10::IValue {
    if (!fits) refuse(value, type, argument);
    return value;
  };
  switch (type->kind()) {
    case c10::TypeKind::TensorType: return only_if(value.isTensor());
    case c10::TypeKind::IntType: return only_if(value.isInt());
    case c10::TypeKind::BoolType: return only_if(value.isBool());
    case c10::TypeKind::StringType: return only_if(value.isString());
    case c10::TypeKind::NoneType: return only_if(value.isNone());
    case c10::TypeKind::NumberType: return only_if(value.isInt() || value.isDouble() || value.isBool());
    case c10::TypeKind::FloatType:
      if (value.isInt()) return static_cast<double>(value.toInt());
      return only_if(value.isDouble());
    case c10::TypeKind::OptionalType:
      if (value.isNone()) return value;
      return coerced(value, type->expectRef<c10::OptionalType>().getElementType(), argument);
    case c10::TypeKind::UnionType: {
      const auto choices = type->expectRef<c10::UnionType>().containedTypes();
      return any_of(value, type, choices, argument);
    }
    case c10::TypeKind::ListType: {
      const c10::TypePtr element = type->expectRef<c10::ListType>().getElementType();
      if (value.isTuple()) return list_of(value.toTupleRef().elements(), element, argument);
      if (!value.isList()) refuse(value, type, argument);
      return list_of(value.toList().vec(), element, argument);
    }
    case c10::TypeKind::TupleType:
      if (!value.isTuple()) refuse(value, type, argument);
      return tuple_of(value, type->expectRef<c10::TupleType>(), type, argument);
    case c10::TypeKind::DictType:
      if (!value.isGenericDict()) refuse(value, type, argument);
      return dict_of(value, type->expectRef<c10::DictType>(), argument);
    default: return value;
  }
}

at::Tensor outside_inference(const at::Tensor& tensor) {
  if (!tensor.defined() || !tensor.is_inference()) return tensor;
  const PlainMode mode;
  if (!has_plain_storage(tensor)) return tensor.clone();
  at::Tensor result = view_on(tensor.storage(), tensor.scalar_type(), tensor.sizes(), tensor.strides(),
                              tensor.storage_offset());
  set_flags(result, {.conj = tensor.is_conj(), .neg = tensor.is_neg()});
  return result;
}

c10::IValue outside_inference(const c10::IValue& value) {
  if (value.isTensor()) return outside_inference(value.toTensor());
  if (value.isTuple()) {
    std::vector<c10::IValue> items;
    for (const c10::IValue& one : value.toTupleRef().elements()) items.push_back(outside_inference(one));
    return c10::ivalue::Tuple::create(std::move(items));
  }
  if (value.isTensorList() || (value.isList() && !value.isIntList() && !value.isDoubleList() && !value.isBoolList())) {
    const auto whole = value.toList();
    c10::impl::GenericList list(whole.elementType());
    for (const c10::IValue& one : whole.vec()) list.push_back(outside_inference(one));
    return list;
  }
  if (value.isGenericDict()) {
    const auto whole = value.toGenericDict();
    c10::impl::GenericDict dict(whole.keyType(), whole.valueType());
    for (const auto& entry : whole) dict.insert(entry.key(), outside_inference(entry.value()));
    return dict;
  }
  return value;
}

}  // namespace torchferry
