#pragma once

#include <jni.h>
#include <torchferry/checkpoint.h>
#include <torchferry/load_options.h>
#include <torchferry/plan.h>

#include <string>
#include <vector>

#include "opened_checkpoint.h"

namespace torchferry::jni {

/// A path of the content: io.torchferry.PackWriter.path.
std::vector<std::string> path_of(JNIEnv* env, jbyteArray packed);

/// io.torchferry.OpenOptions.packed.
OpenOptions open_options(JNIEnv* env, jlongArray packed);

/// io.torchferry.LoadOptions.packed.
LoadOptions load_options(JNIEnv* env, jbyteArray packed);

/// The entries below a path, or those of them that `selected` (may be null) names by index.
std::vector<Entry> entries_of(JNIEnv* env, const OpenedCheckpoint& opened,
                              const std::vector<std::string>& path, jintArray selected);

/// A plan of `entries`, packed for io.torchferry.Placement.
std::string packed_plan(const LoadPlan& plan);

}  // namespace torchferry::jni
