// The native method of io.torchferry.FormatNative that loads the libraries of others: libtorch, and what it needs.
//
// System.load would give each file to one class loader alone, and unload it with that.

#include <dlfcn.h>

#include "io_torchferry_FormatNative.h"
#include "java_arrays.h"
#include "java_errors.h"

using namespace torchferry::jni;

jbyteArray Java_io_torchferry_FormatNative_openLibrary(JNIEnv* env, jclass, jbyteArray library) {
  return guarded(env, Reads::no, [&]() -> jbyteArray {
    if (dlopen(bytes_of(env, library).c_str(), RTLD_LAZY | RTLD_LOCAL) != nullptr) return nullptr;
    const char* const problem = dlerror();
    return new_bytes(env, problem == nullptr ? "the library cannot be loaded" : problem);
  });
}
