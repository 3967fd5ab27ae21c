#include "java_errors.h"

#include <exception>
#include <new>

#include "java_arrays.h"

namespace torchferry::jni {
namespace {

constexpr int kOther = -1;

/// The only state of the bridge: set once by JNI_OnLoad, before any other function can run.
struct Ids {
  jclass native_errors = nullptr;
  jmethodID make = nullptr;
  jclass out_of_memory = nullptr;
} ids;

jclass global_class(JNIEnv* env, const char* name) {
  const jclass local = env->FindClass(name);
  if (local == nullptr) return nullptr;
  const auto global = static_cast<jclass>(env->NewGlobalRef(local));
  env->DeleteLocalRef(local);
  return global;
}

struct Description {
  int code;
  std::string whole;
  std::string message;
  std::string file;
  std::string record;
  jlong offset;
  std::string keys;
};

void throw_described(JNIEnv* env, const Description& what, Reads reads) {
  if (env->ExceptionCheck()) return;
  const Local<jbyteArray> whole(env, new_bytes(env, what.whole));
  const Local<jbyteArray> message(env, new_bytes(env, what.message));
  const Local<jbyteArray> file(env, new_bytes(env, what.file));
  const Local<jbyteArray> record(env, new_bytes(env, what.record));
  const Local<jbyteArray> keys(env, what.keys.empty() ? nullptr : new_bytes(env, what.keys));
  const Local<jobject> made(env, env->CallStaticObjectMethod(
      ids.native_errors, ids.make, static_cast<jint>(what.code), whole.get(), message.get(), file.get(),
      record.get(), what.offset, static_cast<jboolean>(reads == Reads::yes), keys.get()));
  check(env);
  env->Throw(static_cast<jthrowable>(made.get()));
}

void throw_other(JNIEnv* env, const char* message) {
  throw_described(env, {kOther, message, message, {}, {}, -1, {}}, Reads::no);
}

void ladder(JNIEnv* env, Reads reads) {
  try {
    throw;
  } catch (const PendingException&) {
    return;
  } catch (const Error& error) {
    throw_java(env, error, reads);
  } catch (const Failure& failure) {
    throw_other(env, failure.message.c_str());
  } catch (const std::bad_alloc&) {
    env->ThrowNew(ids.out_of_memory, "native memory ran out");
  } catch (const std::exception& error) {
    throw_other(env, error.what());
  } catch (...) {
    throw_other(env, "an exception of an unknown kind was thrown in native code");
  }
}

}  // namespace

bool cache_error_ids(JNIEnv* env) {
  ids.native_errors = global_class(env, "io/torchferry/NativeErrors");
  if (ids.native_errors == nullptr) return false;
  ids.make = env->GetStaticMethodID(ids.native_errors, "make", "(I[B[B[B[BJZ[B)Ljava/lang/Throwable;");
  if (ids.make == nullptr) return false;
  ids.out_of_memory = global_class(env, "java/lang/OutOfMemoryError");
  return ids.out_of_memory != nullptr;
}

void drop_error_ids(JNIEnv* env) noexcept {
  env->DeleteGlobalRef(ids.native_errors);
  env->DeleteGlobalRef(ids.out_of_memory);
  ids = {};
}

void throw_java(JNIEnv* env, const Error& error, Reads reads, const std::string& keys) {
  throw_described(env,
                  {static_cast<int>(error.code()), error.what(), error.message(), error.file(),
                   error.record(), error.offset() ? static_cast<jlong>(*error.offset()) : -1, keys},
                  reads);
}

void throw_handled(JNIEnv* env, Reads reads) noexcept {
  try {
    ladder(env, reads);
  } catch (...) {
    // Describing the error failed: mostly Java's own OutOfMemoryError, which is pending then.
    if (!env->ExceptionCheck()) env->ThrowNew(ids.out_of_memory, "native memory ran out");
  }
}

}  // namespace torchferry::jni
