// The native methods of io.torchferry.FormatNative that look at whole files: places, sums, comparisons, progress.

#include <torchferry/checkpoint.h>
#include <torchferry/compare.h>
#include <torchferry/page_cache.h>

#include <memory>

#include "arguments.h"
#include "handles.h"
#include "io_torchferry_FormatNative.h"
#include "java_arrays.h"
#include "java_errors.h"
#include "opened_checkpoint.h"
#include "pack.h"

using namespace torchferry;
using namespace torchferry::jni;

namespace {

using ProgressHandle = std::shared_ptr<Progress>;

ProgressHandle progress_at(jlong pointer) {
  return pointer == 0 ? nullptr : object_at<const ProgressHandle>(pointer);
}

const Checkpoint& checkpoint_at(jlong pointer) { return object_at<const OpenedCheckpoint>(pointer).checkpoint; }

const TensorRow& row_of(const Checkpoint& checkpoint, jint row) {
  return checkpoint.table().tensors()[static_cast<std::size_t>(row)];
}

}  // namespace

jbyteArray Java_io_torchferry_FormatNative_stateDictPlaces(JNIEnv* env, jclass, jlong pointer) {
  return guarded(env, Reads::no, [&] {
    const auto& opened = object_at<const OpenedCheckpoint>(pointer);
    const auto places = walk(opened, [&] { return opened.checkpoint.state_dict_places(); });
    PackWriter out;
    out.count(places.size());
    for (const StateDictPlace& place : places) {
      out.names(place.path);
      out.count(place.tensors);
    }
    return new_bytes(env, out.bytes());
  });
}

jbyteArray Java_io_torchferry_FormatNative_verify(JNIEnv* env, jclass, jlong pointer, jint threads, jlong progress) {
  return guarded(env, Reads::yes, [&] {
    const Verification checked =
        checkpoint_at(pointer).verify({static_cast<unsigned>(threads), progress_at(progress)});
    PackWriter out;
    out.count(checked.parts.size());
    for (const CheckedPart& part : checked.parts) {
      out.string(part.name);
      out.i64(static_cast<std::int64_t>(part.bytes));
      out.i32(static_cast<std::int32_t>(part.result));
      out.string(part.problem);
    }
    return new_bytes(env, out.bytes());
  });
}

jboolean Java_io_torchferry_FormatNative_comparable(JNIEnv* env, jclass, jlong a, jint row_a, jlong b, jint row_b) {
  return guarded(env, Reads::no, [&] {
    const Checkpoint& first = checkpoint_at(a);
    const Checkpoint& second = checkpoint_at(b);
    return static_cast<jboolean>(comparable(first, row_of(first, row_a), second, row_of(second, row_b)));
  });
}

jbyteArray Java_io_torchferry_FormatNative_compare(JNIEnv* env, jclass, jlong a, jint row_a, jlong b, jint row_b,
                                                   jdouble relative, jdouble absolute) {
  return guarded(env, Reads::yes, [&] {
    const Checkpoint& first = checkpoint_at(a);
    const Checkpoint& second = checkpoint_at(b);
    CompareOptions options;
    options.tolerance = {relative, absolute};
    const Difference found = compare(first, row_of(first, row_a), second, row_of(second, row_b), options);
    PackWriter out;
    for (const std::uint64_t count :
         {found.elements, found.different, found.not_close, found.nan_a, found.nan_b, found.first}) {
      out.i64(static_cast<std::int64_t>(count));
    }
    out.f64(found.max_absolute);
    out.f64(found.max_relative);
    out.i32(found.bits_equal ? 1 : 0);
    out.i32(found.measured ? 1 : 0);
    return new_bytes(env, out.bytes());
  });
}

jlong Java_io_torchferry_FormatNative_progressCreate(JNIEnv* env, jclass) {
  return guarded(env, Reads::no, [&] { return to_java(std::make_shared<Progress>()); });
}

jlong Java_io_torchferry_FormatNative_progressDone(JNIEnv*, jclass, jlong progress) {
  return static_cast<jlong>(object_at<ProgressHandle>(progress)->done.load());
}

jlong Java_io_torchferry_FormatNative_progressTotal(JNIEnv*, jclass, jlong progress) {
  return static_cast<jlong>(object_at<ProgressHandle>(progress)->total.load());
}

void Java_io_torchferry_FormatNative_progressCancel(JNIEnv*, jclass, jlong progress) {
  object_at<ProgressHandle>(progress)->cancel = true;
}

void Java_io_torchferry_FormatNative_progressDestroy(JNIEnv*, jclass, jlong progress) {
  destroy<ProgressHandle>(progress);
}

void Java_io_torchferry_FormatNative_evict(JNIEnv* env, jclass, jbyteArray path) {
  guarded(env, Reads::yes, [&] { evict_from_page_cache(bytes_of(env, path)); });
}
