#include "pinned_buffer.h"

#include "handles.h"
#include "java_errors.h"

namespace torchferry::jni {
namespace {

using Pin = std::shared_ptr<const void>;

/// A global reference to a Java object.
class Reachable {
 public:
  Reachable(JNIEnv* env, jobject object) : object_(env->NewGlobalRef(object)) {
    if (object_ == nullptr || env->GetJavaVM(&vm_) != JNI_OK) throw std::bad_alloc();
  }
  Reachable(const Reachable&) = delete;
  Reachable& operator=(const Reachable&) = delete;

  /// The last user may be a thread that Java does not know; when the JVM is gone there is nothing to give
  /// back.
  ~Reachable() {
    void* env = nullptr;
    const jint state = vm_->GetEnv(&env, JNI_VERSION_10);
    if (state == JNI_OK) {
      static_cast<JNIEnv*>(env)->DeleteGlobalRef(object_);
    } else if (state == JNI_EDETACHED && vm_->AttachCurrentThreadAsDaemon(&env, nullptr) == JNI_OK) {
      static_cast<JNIEnv*>(env)->DeleteGlobalRef(object_);
      vm_->DetachCurrentThread();
    }
  }

 private:
  jobject object_;
  JavaVM* vm_ = nullptr;
};

}  // namespace

jobject new_buffer(JNIEnv* env, std::span<const std::byte> bytes, jlong offset, jint length,
                   std::shared_ptr<const void> keep, jlongArray pin) {
  const auto begin = static_cast<std::uint64_t>(offset);
  const bool inside = offset >= 0 && length >= 0 && begin <= bytes.size() &&
                      static_cast<std::uint64_t>(length) <= bytes.size() - begin;
  if (!inside) {
    throw Error(ErrorCode::invalid_argument,
                std::to_string(length) + " bytes from byte " + std::to_string(offset) +
                    " on are not inside the tensor's " + std::to_string(bytes.size()));
  }
  if (length == 0) return nullptr;
  auto* const start = const_cast<std::byte*>(bytes.data() + begin);
  const jobject buffer = env->NewDirectByteBuffer(start, length);
  if (buffer == nullptr) throw PendingException{};
  if (pin != nullptr) {
    auto held = std::make_unique<Pin>(std::move(keep));
    const auto pointer = static_cast<jlong>(reinterpret_cast<std::intptr_t>(held.get()));
    env->SetLongArrayRegion(pin, 0, 1, &pointer);
    check(env);
    held.release();
  }
  return buffer;
}

void unpin(jlong pin) noexcept { destroy<Pin>(pin); }

std::span<std::byte> memory_of(JNIEnv* env, jobject buffer) {
  void* const start = env->GetDirectBufferAddress(buffer);
  const jlong length = env->GetDirectBufferCapacity(buffer);
  if (start == nullptr || length < 0) throw Error(ErrorCode::invalid_argument, "not a direct buffer");
  return {static_cast<std::byte*>(start), static_cast<std::size_t>(length)};
}

std::shared_ptr<const void> keep_reachable(JNIEnv* env, jobject object) {
  return std::make_shared<const Reachable>(env, object);
}

}  // namespace torchferry::jni
