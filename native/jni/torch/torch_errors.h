#pragma once

#include <jni.h>

#include <type_traits>
#include <utility>

#include "java_errors.h"

namespace torchferry::jni {

/// Inside a catch block: throws what libtorch threw as Error(out_of_memory, unsupported) or Failure, with its
/// first line and without its C++ stack; everything else as it is.
[[noreturn]] void rethrow_from_torch();

/// `guarded` for bodies that call libtorch themselves. They make ordinary tensors and record no gradients.
template <class Body>
auto guarded_torch(JNIEnv* env, Reads reads, Body&& body) noexcept -> std::invoke_result_t<Body> {
  return guarded(env, reads, [&]() -> std::invoke_result_t<Body> {
    try {
      return std::forward<Body>(body)();
    } catch (...) {
      rethrow_from_torch();
    }
  });
}

}  // namespace torchferry::jni
