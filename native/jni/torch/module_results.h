#pragma once

#include <jni.h>
#include <torchferry/load_state_dict.h>
#include <torchferry/state_dict.h>

#include <string>
#include <utility>
#include <vector>

#include "handles.h"
#include "java_arrays.h"

namespace torchferry::jni {

/// For io.torchferry.IncompatibleKeys and LoadStateReport.
std::string packed_keys(const IncompatibleKeys& keys);
std::string packed_report(const LoadStateReport& report);

/// The tensors that Java names by their dicts and numbers.
std::vector<at::Tensor> tensors_at(JNIEnv* env, jlongArray dicts, jintArray indices);

/// New dicts of one tensor each, given back unless Java takes them all.
class Results {
 public:
  explicit Results(std::vector<at::Tensor> tensors) {
    pointers_.reserve(tensors.size());
    for (at::Tensor& tensor : tensors) {
      pointers_.push_back(to_java(StateDict::of({{std::string(), std::move(tensor)}}, {false})));
    }
  }
  Results(const Results&) = delete;
  Results& operator=(const Results&) = delete;
  ~Results() {
    for (const jlong pointer : pointers_) destroy<StateDict>(pointer);
  }

  jlongArray hand_over(JNIEnv* env) {
    const jlongArray array = new_longs(env, pointers_);
    pointers_.clear();
    return array;
  }

 private:
  std::vector<jlong> pointers_;
};

/// Loads into a module of either kind and gives the packed keys; IncompatibleKeysException is pending when it does not
/// fit.
template <class Module>
jbyteArray load_into(JNIEnv* env, Module& module, const StateDict& dict, bool strict, bool assign) {
  try {
    return new_bytes(env, packed_keys(module.load_state_dict(dict, strict, assign)));
  } catch (const IncompatibleKeysError& error) {
    throw_java(env, error, Reads::no, packed_keys(error.keys()));
    return nullptr;
  }
}

}  // namespace torchferry::jni
