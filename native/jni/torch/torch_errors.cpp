#include "torch_errors.h"

#include <c10/util/Exception.h>

#include <string_view>

namespace torchferry::jni {
namespace {

/// c10's CPU allocator reports exhaustion as a plain c10::Error; its text is the only mark.
constexpr std::string_view kCpuExhausted = "DefaultCPUAllocator: ";

std::string first_line(const c10::Error& error) {
  const std::string_view text = error.what_without_backtrace();
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace

void rethrow_from_torch() {
  try {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    throw Error(ErrorCode::out_of_memory, first_line(error));
  } catch (const c10::NotImplementedError& error) {
    throw Error(ErrorCode::unsupported, first_line(error));
  } catch (const c10::Error& error) {
    const std::string line = first_line(error);
    if (line.find(kCpuExhausted) != std::string::npos) throw Error(ErrorCode::out_of_memory, line);
    throw Failure{line};
  }
}

}  // namespace torchferry::jni
