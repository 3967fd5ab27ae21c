// The native methods of io.torchferry.FormatNative on temporary files without a name.

#include <torchferry/spool_file.h>

#include "handles.h"
#include "io_torchferry_FormatNative.h"
#include "java_arrays.h"
#include "java_errors.h"
#include "pinned_buffer.h"

using namespace torchferry;
using namespace torchferry::jni;

jlong Java_io_torchferry_FormatNative_spoolCreate(JNIEnv* env, jclass, jbyteArray folder) {
  return guarded(env, Reads::yes, [&] { return to_java(SpoolFile::create(bytes_of(env, folder))); });
}

void Java_io_torchferry_FormatNative_spoolWrite(JNIEnv* env, jclass, jlong spool, jobject bytes, jint length) {
  guarded(env, Reads::yes, [&] {
    object_at<SpoolFile>(spool).write(memory_of(env, bytes).first(static_cast<std::size_t>(length)));
  });
}

jbyteArray Java_io_torchferry_FormatNative_spoolPath(JNIEnv* env, jclass, jlong spool) {
  return guarded(env, Reads::no, [&] { return new_bytes(env, object_at<const SpoolFile>(spool).path().native()); });
}

void Java_io_torchferry_FormatNative_spoolDestroy(JNIEnv*, jclass, jlong spool) { destroy<SpoolFile>(spool); }
