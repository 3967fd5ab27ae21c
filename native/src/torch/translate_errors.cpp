#include "torch/translate_errors.h"

#include <c10/util/Exception.h>

#include <new>
#include <string_view>

namespace torchferry {
namespace {

constexpr std::string_view kInterpreter = "The following operation failed in the TorchScript interpreter";
constexpr std::string_view kRuntimeError = "RuntimeError: ";
/// Where the dispatcher's page about an operator that a backend lacks turns to advice.
constexpr std::string_view kAdvice = " This could be because ";

/// c10's CPU allocator reports exhaustion as a plain c10::Error; its text is the only mark.
bool says_out_of_memory(std::string_view text) {
  return text.find("DefaultCPUAllocator: ") != std::string_view::npos ||
         text.find("out of memory") != std::string_view::npos;
}

std::string line_of(std::string_view text) {
  if (text.starts_with(kInterpreter)) {
    const std::size_t last = text.rfind(kRuntimeError);
    if (last != std::string_view::npos) text.remove_prefix(last + kRuntimeError.size());
  }
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return "libtorch gave no reason";
  text.remove_prefix(begin);
  text = text.substr(0, text.find('\n'));
  text = text.substr(0, text.find(kAdvice));
  return std::string(text.substr(0, text.find_last_not_of(" \t\r") + 1));
}

}  // namespace

std::string one_line(const std::exception& error) {
  if (const auto* from_c10 = dynamic_cast<const c10::Error*>(&error))
    return line_of(from_c10->what_without_backtrace());
  return line_of(error.what());
}

void rethrow_translated(ErrorCode otherwise) {
  try {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    throw Error(ErrorCode::out_of_memory, one_line(error));
  } catch (const c10::NotImplementedError& error) {
    throw Error(ErrorCode::unsupported, one_line(error));
  } catch (const c10::Error& error) {
    throw Error(says_out_of_memory(error.what_without_backtrace()) ? ErrorCode::out_of_memory : otherwise,
                one_line(error));
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "host memory ran out");
  } catch (const std::exception& error) {
    throw Error(says_out_of_memory(error.what()) ? ErrorCode::out_of_memory : otherwise, one_line(error));
  }
}

}  // namespace torchferry
