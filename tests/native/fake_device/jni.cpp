// The natives of io.torchferry.FakeDevice, a class of the Java tests.

#include <jni.h>

#include "fake_device/fake_device.h"

namespace {

void throw_refusal(JNIEnv* env) {
  if (jclass type = env->FindClass("java/lang/IllegalArgumentException"))
    env->ThrowNew(type, tf_fake_last_error());
}

}  // namespace

extern "C" {

JNIEXPORT void JNICALL Java_io_torchferry_FakeDevice_setDeviceCount(JNIEnv* env, jclass, jint count) {
  if (tf_fake_set_device_count(count) != 0) throw_refusal(env);
}

JNIEXPORT void JNICALL Java_io_torchferry_FakeDevice_setMemoryLimit(JNIEnv* env, jclass, jint index,
                                                                    jlong bytes) {
  if (tf_fake_set_memory_limit(index, bytes) != 0) throw_refusal(env);
}

JNIEXPORT void JNICALL Java_io_torchferry_FakeDevice_setBandwidth(JNIEnv* env, jclass, jint index,
                                                                  jlong bytes_per_second) {
  if (tf_fake_set_bandwidth(index, bytes_per_second) != 0) throw_refusal(env);
}

JNIEXPORT jlongArray JNICALL Java_io_torchferry_FakeDevice_stats(JNIEnv* env, jclass, jint index) {
  tf_fake_device_stats stats;
  if (tf_fake_stats(index, &stats) != 0) {
    throw_refusal(env);
    return nullptr;
  }
  const jlong values[] = {
#define TF_FAKE_STAT_VALUE(name) static_cast<jlong>(stats.name),
      TF_FAKE_STATS(TF_FAKE_STAT_VALUE)
#undef TF_FAKE_STAT_VALUE
  };
  const jsize count = tf_fake_stat_count();
  jlongArray array = env->NewLongArray(count);
  if (array != nullptr) env->SetLongArrayRegion(array, 0, count, values);
  return array;
}

JNIEXPORT jobjectArray JNICALL Java_io_torchferry_FakeDevice_statNames(JNIEnv* env, jclass) {
  jclass type = env->FindClass("java/lang/String");
  if (type == nullptr) return nullptr;
  jobjectArray names = env->NewObjectArray(tf_fake_stat_count(), type, nullptr);
  for (jsize i = 0; names != nullptr && i < tf_fake_stat_count(); ++i) {
    jstring name = env->NewStringUTF(tf_fake_stat_name(i));
    if (name == nullptr) return nullptr;
    env->SetObjectArrayElement(names, i, name);
    env->DeleteLocalRef(name);
  }
  return names;
}

JNIEXPORT void JNICALL Java_io_torchferry_FakeDevice_resetStats(JNIEnv*, jclass) { tf_fake_reset_stats(); }

JNIEXPORT void JNICALL Java_io_torchferry_FakeDevice_failCopyAfter(JNIEnv*, jclass, jint copies) {
  tf_fake_fail_next_copy(copies);
}

JNIEXPORT void JNICALL Java_io_torchferry_FakeDevice_holdCopiesAfter(JNIEnv*, jclass, jint copies) {
  tf_fake_hold_copies(copies);
}

}  // extern "C"
