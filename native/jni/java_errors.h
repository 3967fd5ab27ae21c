#pragma once

#include <jni.h>
#include <torchferry/error.h>

#include <string>
#include <type_traits>
#include <utility>

namespace torchferry::jni {

/// Thrown through C++ when a Java exception is pending; the guard lets that one pass.
struct PendingException {};

/// Throws PendingException if a JNI call has left an exception.
inline void check(JNIEnv* env) {
  if (env->ExceptionCheck()) throw PendingException{};
}

/// Whether the Java method declares IOException: where it does not, errors of files become unchecked
/// exceptions.
enum class Reads : bool { no, yes };

/// An exception that is no Error but has words of its own, such as one of libtorch's.
struct Failure {
  std::string message;
};

/// Looks up what throwing needs. Called from JNI_OnLoad; false leaves an exception pending.
bool cache_error_ids(JNIEnv* env);
void drop_error_ids(JNIEnv* env) noexcept;

/// Makes the Java exception that stands for an Error pending. `keys`: see NativeErrors.make; empty: null.
void throw_java(JNIEnv* env, const Error& error, Reads reads, const std::string& keys = {});

/// Inside a catch block: makes the Java exception that stands for what is being handled pending.
void throw_handled(JNIEnv* env, Reads reads) noexcept;

/// The one border between C++ and Java: whatever `body` throws becomes a Java exception, and nothing unwinds
/// into the JVM. On an exception the result is zero, which Java never sees.
template <class Body>
auto guarded(JNIEnv* env, Reads reads, Body&& body) noexcept -> std::invoke_result_t<Body> {
  try {
    return std::forward<Body>(body)();
  } catch (...) {
    throw_handled(env, reads);
  }
  return std::invoke_result_t<Body>();
}

}  // namespace torchferry::jni
