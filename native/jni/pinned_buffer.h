#pragma once

#include <jni.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace torchferry::jni {

/// A direct ByteBuffer on `length` of the bytes, `offset` from their start; null when `length` is 0. `keep`
/// is put into `pin[0]`, for Java to give back when the buffer is unreachable, unless `pin` is null: then the
/// buffer must not outlive the call. Throws Error(invalid_argument) for a range that is not inside.
jobject new_buffer(JNIEnv* env, std::span<const std::byte> bytes, jlong offset, jint length,
                   std::shared_ptr<const void> keep, jlongArray pin);

/// Gives back what `new_buffer` put into a pin.
void unpin(jlong pin) noexcept;

/// The memory of a direct buffer, all of it. Throws Error(invalid_argument) for another.
std::span<std::byte> memory_of(JNIEnv* env, jobject buffer);

/// Keeps a Java object reachable as long as any copy of the pointer lives; the last may die on any thread.
std::shared_ptr<const void> keep_reachable(JNIEnv* env, jobject object);

}  // namespace torchferry::jni
