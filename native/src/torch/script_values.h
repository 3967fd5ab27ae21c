#pragma once

#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type_base.h>

#include <string>

namespace torchferry {

/// The value as a method's argument of `type` wants it: Python's lists, tuples and dicts hold anything,
/// TorchScript's have one element type, so containers are built anew where theirs is another one. An int serves as
/// a float, as in Python. `argument` names it in Error(invalid_argument), which tells what was wanted.
c10::IValue coerced(const c10::IValue& value, const c10::TypePtr& type, const std::string& argument);

/// A tensor that ordinary code may use and change: inference mode marks its results as its own.
at::Tensor outside_inference(const at::Tensor& tensor);

/// The same for every tensor inside a value.
c10::IValue outside_inference(const c10::IValue& value);

}  // namespace torchferry
