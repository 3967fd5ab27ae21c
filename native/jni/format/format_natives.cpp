// The native methods of io.torchferry.FormatNative: convert, call, convert back. No libtorch.

#include <torchferry/checkpoint.h>
#include <torchferry/dtype.h>
#include <torchferry/plan.h>

#include "arguments.h"
#include "build_id.h"
#include "handles.h"
#include "io_torchferry_FormatNative.h"
#include "java_arrays.h"
#include "java_errors.h"
#include "opened_checkpoint.h"
#include "pack.h"
#include "pack_table.h"
#include "pack_values.h"
#include "pinned_buffer.h"

using namespace torchferry;
using namespace torchferry::jni;

namespace {

/// Our number limit for dtypes: c10::ScalarType counts far below it.
constexpr int kDTypeNumbers = 128;

std::string packed_dtypes() {
  PackWriter out;
  for (int number = 0; number < kDTypeNumbers; ++number) {
    const auto dtype = dtype_numbered(number);
    if (!dtype) continue;
    out.i32(number);
    out.string(name(*dtype));
    out.count(itemsize(*dtype));
    out.count(elements_per_item(*dtype));
    const int kind = (is_floating_point(*dtype) ? 1 : 0) | (is_complex(*dtype) ? 2 : 0) |
                     (is_quantized(*dtype) ? 4 : 0);
    out.i32(kind);
  }
  out.i32(-1);
  return out.bytes();
}

const OpenedCheckpoint& opened_at(jlong pointer) { return object_at<const OpenedCheckpoint>(pointer); }

const Checkpoint& checkpoint_at(jlong pointer) { return opened_at(pointer).checkpoint; }

const TensorRow& row_of(const Checkpoint& checkpoint, jint row) {
  const auto rows = checkpoint.table().tensors();
  if (row < 0 || static_cast<std::size_t>(row) >= rows.size()) {
    throw Error(ErrorCode::invalid_argument, "no tensor has the number " + std::to_string(row));
  }
  return rows[static_cast<std::size_t>(row)];
}

}  // namespace

jint JNI_OnLoad(JavaVM* vm, void*) {
  void* env = nullptr;
  if (vm->GetEnv(&env, JNI_VERSION_10) != JNI_OK) return JNI_ERR;
  return cache_error_ids(static_cast<JNIEnv*>(env)) ? JNI_VERSION_10 : JNI_ERR;
}

void JNI_OnUnload(JavaVM* vm, void*) {
  void* env = nullptr;
  if (vm->GetEnv(&env, JNI_VERSION_10) == JNI_OK) drop_error_ids(static_cast<JNIEnv*>(env));
}

jbyteArray Java_io_torchferry_FormatNative_buildId(JNIEnv* env, jclass) {
  return guarded(env, Reads::no, [&] { return new_bytes(env, build_id()); });
}

jbyteArray Java_io_torchferry_FormatNative_version(JNIEnv* env, jclass) {
  return guarded(env, Reads::no, [&] { return new_bytes(env, TORCHFERRY_VERSION); });
}

jbyteArray Java_io_torchferry_FormatNative_dtypes(JNIEnv* env, jclass) {
  return guarded(env, Reads::no, [&] { return new_bytes(env, packed_dtypes()); });
}

jlong Java_io_torchferry_FormatNative_open(JNIEnv* env, jclass, jbyteArray path, jbyteArray name,
                                           jlongArray options) {
  return guarded(env, Reads::yes, [&] {
    const std::string file = bytes_of(env, path);
    OpenOptions chosen = open_options(env, options);
    chosen.name = bytes_of(env, name);
    return to_java(
        open_checkpoint(chosen, [&](const OpenOptions& used) { return Checkpoint::open(file, used); }));
  });
}

jlong Java_io_torchferry_FormatNative_openMemory(JNIEnv* env, jclass, jobject memory, jbyteArray name,
                                                 jlongArray options) {
  return guarded(env, Reads::yes, [&] {
    const auto bytes = memory_of(env, memory);
    const auto owner = keep_reachable(env, memory);
    const std::string file = bytes_of(env, name);
    return to_java(open_checkpoint(open_options(env, options), [&](const OpenOptions& used) {
      return Checkpoint::open(bytes, owner, file, used);
    }));
  });
}

void Java_io_torchferry_FormatNative_close(JNIEnv*, jclass, jlong checkpoint) {
  destroy<OpenedCheckpoint>(checkpoint);
}

jbyteArray Java_io_torchferry_FormatNative_describe(JNIEnv* env, jclass, jlong pointer) {
  return guarded(env, Reads::no, [&] {
    const auto& checkpoint = checkpoint_at(pointer);
    PackWriter out;
    out.i32(static_cast<std::int32_t>(checkpoint.format()));
    out.i64(static_cast<std::int64_t>(checkpoint.size()));
    out.names(checkpoint.table().locations());
    return new_bytes(env, out.bytes());
  });
}

jlong Java_io_torchferry_FormatNative_saveCount(JNIEnv* env, jclass, jlong pointer) {
  return guarded(env, Reads::yes, [&] {
    return static_cast<jlong>(walk(opened_at(pointer), [&] { return checkpoint_at(pointer).save_count(); }));
  });
}

jbyteArray Java_io_torchferry_FormatNative_opaqueGlobals(JNIEnv* env, jclass, jlong pointer) {
  return guarded(env, Reads::no, [&] {
    const OpenedCheckpoint& opened = opened_at(pointer);
    PackWriter out;
    walk(opened, [&] { out.names(opened.checkpoint.opaque_globals()); });
    return new_bytes(env, out.bytes());
  });
}

jbyteArray Java_io_torchferry_FormatNative_table(JNIEnv* env, jclass, jlong pointer) {
  return guarded(env, Reads::no, [&] {
    return new_bytes(env, packed_table(checkpoint_at(pointer)));
  });
}

jbyteArray Java_io_torchferry_FormatNative_entries(JNIEnv* env, jclass, jlong pointer, jbyteArray path) {
  return guarded(env, Reads::no, [&] {
    const OpenedCheckpoint& opened = opened_at(pointer);
    const std::vector<std::string> steps = path_of(env, path);
    return new_bytes(env, walk(opened, [&] { return packed_entries(opened.checkpoint.entries(steps)); }));
  });
}

jbyteArray Java_io_torchferry_FormatNative_value(JNIEnv* env, jclass, jlong pointer, jbyteArray path) {
  return guarded(env, Reads::yes, [&] {
    const OpenedCheckpoint& opened = opened_at(pointer);
    const std::vector<std::string> steps = path_of(env, path);
    return new_bytes(env, walk(opened, [&] { return packed_values(opened.checkpoint.value(steps)); }));
  });
}

jbyteArray Java_io_torchferry_FormatNative_metadata(JNIEnv* env, jclass, jlong pointer, jbyteArray path) {
  return guarded(env, Reads::yes, [&]() -> jbyteArray {
    const OpenedCheckpoint& opened = opened_at(pointer);
    const std::vector<std::string> steps = path_of(env, path);
    const std::string packed = walk(opened, [&] {
      const ValuePtr metadata = opened.checkpoint.metadata(steps);
      return metadata ? packed_values(metadata) : std::string();
    });
    return packed.empty() ? nullptr : new_bytes(env, packed);
  });
}

jobject Java_io_torchferry_FormatNative_bytes(JNIEnv* env, jclass, jlong pointer, jint row, jlong offset,
                                              jint length,
                                              jlongArray pin) {
  return guarded(env, Reads::yes, [&] {
    const auto& checkpoint = checkpoint_at(pointer);
    Checkpoint::Bytes bytes = checkpoint.bytes(row_of(checkpoint, row));
    return new_buffer(env, bytes.bytes, offset, length, std::move(bytes.keep), pin);
  });
}

void Java_io_torchferry_FormatNative_unpin(JNIEnv*, jclass, jlong pin) { unpin(pin); }

void Java_io_torchferry_FormatNative_readElements(JNIEnv* env, jclass, jlong pointer, jint row, jlong first,
                                                  jobject out, jint offset, jint length) {
  guarded(env, Reads::yes, [&] {
    const auto& checkpoint = checkpoint_at(pointer);
    const auto memory = memory_of(env, out);
    const auto range = memory.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(length));
    checkpoint.read_elements(row_of(checkpoint, row), static_cast<std::uint64_t>(first), range);
  });
}

jbyteArray Java_io_torchferry_FormatNative_plan(JNIEnv* env, jclass, jlong pointer, jbyteArray path,
                                                jintArray selected,
                                                jbyteArray options) {
  return guarded(env, Reads::yes, [&] {
    const OpenedCheckpoint& opened = opened_at(pointer);
    const std::vector<Entry> entries = entries_of(env, opened, path_of(env, path), selected);
    const LoadPlan made = plan(opened.checkpoint, entries, load_options(env, options), cpu_catalog());
    return new_bytes(env, packed_plan(made));
  });
}
