#pragma once

#include <torchferry/error.h>

#include <exception>
#include <string>
#include <utility>

namespace torchferry {

/// What an exception of libtorch says in one line: without its C++ backtrace, and of a TorchScript traceback
/// the error it ends with.
std::string one_line(const std::exception& error);

/// Inside a catch block: throws what is being handled as Error. An Error passes unchanged, memory that ran
/// out is `out_of_memory`, an operator that a backend lacks is `unsupported`, everything else `otherwise`.
[[noreturn]] void rethrow_translated(ErrorCode otherwise);

/// Runs `work`; the one border that no exception of libtorch passes.
template <class Work>
decltype(auto) translated(ErrorCode otherwise, Work&& work) {
  try {
    return std::forward<Work>(work)();
  } catch (...) {
    rethrow_translated(otherwise);
  }
}

}  // namespace torchferry
