#include "java_arrays.h"

#include <limits>

namespace torchferry::jni {

std::string bytes_of(JNIEnv* env, jbyteArray array) {
  std::string bytes(static_cast<std::size_t>(env->GetArrayLength(array)), '\0');
  env->GetByteArrayRegion(array, 0, static_cast<jsize>(bytes.size()), reinterpret_cast<jbyte*>(bytes.data()));
  check(env);
  return bytes;
}

std::vector<jint> ints_of(JNIEnv* env, jintArray array) {
  std::vector<jint> values(static_cast<std::size_t>(env->GetArrayLength(array)));
  env->GetIntArrayRegion(array, 0, static_cast<jsize>(values.size()), values.data());
  check(env);
  return values;
}

std::vector<jlong> longs_of(JNIEnv* env, jlongArray array) {
  std::vector<jlong> values(static_cast<std::size_t>(env->GetArrayLength(array)));
  env->GetLongArrayRegion(array, 0, static_cast<jsize>(values.size()), values.data());
  check(env);
  return values;
}

jbyteArray new_bytes(JNIEnv* env, std::string_view bytes) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<jsize>::max())) {
    throw Error(ErrorCode::limit_exceeded, "more names or content than one Java array can hold (2 GiB)");
  }
  const auto length = static_cast<jsize>(bytes.size());
  const jbyteArray array = env->NewByteArray(length);
  if (array == nullptr) throw PendingException{};
  env->SetByteArrayRegion(array, 0, length, reinterpret_cast<const jbyte*>(bytes.data()));
  check(env);
  return array;
}

jlongArray new_longs(JNIEnv* env, const std::vector<jlong>& values) {
  const jlongArray array = env->NewLongArray(static_cast<jsize>(values.size()));
  if (array == nullptr) throw PendingException{};
  env->SetLongArrayRegion(array, 0, static_cast<jsize>(values.size()), values.data());
  check(env);
  return array;
}

}  // namespace torchferry::jni
