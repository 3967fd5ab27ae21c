#pragma once

#include <ATen/core/ivalue.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry::jni {

/// The arguments that io.torchferry.IValues packs: values in order, then named ones. Tensors are numbers into
/// `tensors`. Containers hold anything; the method's schema says later what they must hold.
struct Arguments {
  std::vector<c10::IValue> values;
  std::map<std::string, c10::IValue> named;
};
Arguments arguments_of(std::string_view packed, std::span<const at::Tensor> tensors);

/// A result, packed for io.torchferry.IValues. Its tensors become dicts of one each, whose pointers stand in the
/// packed bytes: who reads them owns them, so until `handed_over` they are given back here.
class PackedResult {
 public:
  explicit PackedResult(const c10::IValue& value);
  ~PackedResult();
  PackedResult(const PackedResult&) = delete;
  PackedResult& operator=(const PackedResult&) = delete;

  const std::string& bytes() const noexcept { return bytes_; }
  /// The reader has them now.
  void handed_over() noexcept { pointers_.clear(); }

 private:
  std::string bytes_;
  std::vector<std::int64_t> pointers_;
};

}  // namespace torchferry::jni
