#include "pack_ivalues.h"

#include <ATen/core/Dict.h>
#include <ATen/core/List.h>
#include <ATen/core/jit_type.h>
#include <torchferry/error.h>
#include <torchferry/state_dict.h>

#include "handles.h"
#include "pack.h"

namespace torchferry::jni {
namespace {

// The tags of io.torchferry.IValues.
enum Tag : std::int32_t { kNone, kTensor, kBool, kInt, kFloat, kString, kList, kTuple, kDict };

class Reading {
 public:
  Reading(std::string_view packed, std::span<const at::Tensor> tensors) : in_(packed), tensors_(tensors) {}

  Arguments arguments() {
    Arguments read;
    for (std::int32_t n = in_.i32(); n > 0; --n) read.values.push_back(value());
    for (std::int32_t n = in_.i32(); n > 0; --n) {
      std::string name = in_.string();
      read.named.insert_or_assign(std::move(name), value());
    }
    return read;
  }

 private:
  c10::IValue value() {
    switch (in_.i32()) {
      case kNone: return {};
      case kTensor: return next_tensor();
      case kBool: return in_.i32() != 0;
      case kInt: return in_.i64();
      case kFloat: return in_.f64();
      case kString: return in_.string();
      case kList: {
        c10::impl::GenericList list(c10::AnyType::get());
        for (std::int32_t n = in_.i32(); n > 0; --n) list.push_back(value());
        return list;
      }
      case kTuple: {
        std::vector<c10::IValue> items;
        for (std::int32_t n = in_.i32(); n > 0; --n) items.push_back(value());
        return c10::ivalue::Tuple::create(std::move(items));
      }
      case kDict: {
        c10::impl::GenericDict dict(c10::AnyType::get(), c10::AnyType::get());
        for (std::int32_t n = in_.i32(); n > 0; --n) {
          c10::IValue key = value();
          dict.insert_or_assign(std::move(key), value());
        }
        return dict;
      }
      default: throw Error(ErrorCode::invalid_argument, "a packed value has no such tag");
    }
  }

  at::Tensor next_tensor() {
    if (next_ == tensors_.size()) throw Error(ErrorCode::invalid_argument, "a packed value names a tensor too many");
    return tensors_[next_++];
  }

  PackReader in_;
  std::span<const at::Tensor> tensors_;
  std::size_t next_ = 0;
};

class Writing {
 public:
  Writing(PackWriter& out, std::vector<std::int64_t>& pointers) : out_(out), pointers_(pointers) {}

  void value(const c10::IValue& value) {
    if (value.isNone()) {
      out_.i32(kNone);
    } else if (value.isTensor()) {
      tensor(value.toTensor());
    } else if (value.isBool()) {
      out_.i32(kBool);
      out_.i32(value.toBool() ? 1 : 0);
    } else if (value.isInt()) {
      out_.i32(kInt);
      out_.i64(value.toInt());
    } else if (value.isDouble()) {
      out_.i32(kFloat);
      out_.f64(value.toDouble());
    } else if (value.isString()) {
      out_.i32(kString);
      out_.string(value.toStringRef());
    } else if (value.isList()) {
      items(kList, value.toList().vec());
    } else if (value.isTuple()) {
      items(kTuple, value.toTupleRef().elements());
    } else if (value.isGenericDict()) {
      dict(value.toGenericDict());
    } else {
      throw Error(ErrorCode::unsupported, "the method gave a value of kind " + value.tagKind() +
                                              ", which has no form in Java: tensors, numbers, strings, None and "
                                              "lists, tuples and dicts of these have");
    }
  }

 private:
  void tensor(const at::Tensor& tensor) {
    if (!tensor.defined()) {
      out_.i32(kNone);
      return;
    }
    pointers_.reserve(pointers_.size() + 1);
    pointers_.push_back(to_java(StateDict::of({{std::string(), tensor}}, {false})));
    out_.i32(kTensor);
    out_.i64(pointers_.back());
  }

  template <class Items>
  void items(Tag tag, const Items& all) {
    out_.i32(tag);
    out_.count(all.size());
    for (const c10::IValue& one : all) value(one);
  }

  void dict(const c10::impl::GenericDict& entries) {
    out_.i32(kDict);
    out_.count(entries.size());
    for (const auto& entry : entries) {
      value(entry.key());
      value(entry.value());
    }
  }

  PackWriter& out_;
  std::vector<std::int64_t>& pointers_;
};

void give_back(std::vector<std::int64_t>& pointers) {
  for (const std::int64_t pointer : pointers) destroy<StateDict>(pointer);
  pointers.clear();
}

}  // namespace

Arguments arguments_of(std::string_view packed, std::span<const at::Tensor> tensors) {
  return Reading(packed, tensors).arguments();
}

PackedResult::PackedResult(const c10::IValue& value) {
  PackWriter out;
  try {
    Writing(out, pointers_).value(value);
  } catch (...) {
    give_back(pointers_);
    throw;
  }
  bytes_ = out.bytes();
}

PackedResult::~PackedResult() { give_back(pointers_); }

}  // namespace torchferry::jni
