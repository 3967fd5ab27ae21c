#include "module_results.h"

#include "pack.h"

namespace torchferry::jni {

std::string packed_keys(const IncompatibleKeys& keys) {
  PackWriter out;
  out.names(keys.missing_keys);
  out.names(keys.unexpected_keys);
  return out.bytes();
}

std::string packed_report(const LoadStateReport& report) {
  PackWriter out;
  out.names(report.keys.missing_keys);
  out.names(report.keys.unexpected_keys);
  out.names(report.errors);
  out.names(report.warnings);
  out.string(report.message);
  return out.bytes();
}

std::vector<at::Tensor> tensors_at(JNIEnv* env, jlongArray dicts, jintArray indices) {
  const std::vector<jlong> owners = longs_of(env, dicts);
  const std::vector<jint> numbers = ints_of(env, indices);
  std::vector<at::Tensor> tensors;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    tensors.push_back(object_at<const StateDict>(owners[i]).tensor(static_cast<std::size_t>(numbers.at(i))));
  }
  return tensors;
}

}  // namespace torchferry::jni
