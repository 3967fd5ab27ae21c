#pragma once

#include <jni.h>

#include <string>
#include <string_view>
#include <vector>

#include "java_errors.h"

namespace torchferry::jni {

/// A local reference that ends with its scope.
template <class Reference>
class Local {
 public:
  Local(JNIEnv* env, Reference reference) noexcept : env_(env), reference_(reference) {}
  Local(const Local&) = delete;
  Local& operator=(const Local&) = delete;
  ~Local() {
    if (reference_ != nullptr) env_->DeleteLocalRef(reference_);
  }
  Reference get() const noexcept { return reference_; }

 private:
  JNIEnv* env_;
  Reference reference_;
};

// Copies of arrays, so that no Java array is held while C++ works. All throw PendingException.

std::string bytes_of(JNIEnv* env, jbyteArray array);
std::vector<jint> ints_of(JNIEnv* env, jintArray array);
std::vector<jlong> longs_of(JNIEnv* env, jlongArray array);

jbyteArray new_bytes(JNIEnv* env, std::string_view bytes);
jlongArray new_longs(JNIEnv* env, const std::vector<jlong>& values);

}  // namespace torchferry::jni
