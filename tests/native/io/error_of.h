#pragma once

#include <gtest/gtest.h>
#include <torchferry/error.h>

#include <optional>
#include <string>
#include <string_view>

namespace torchferry::testing {

/// The Error that `action` throws; a failed expectation, and an error that matches nothing, when it throws
/// none.
template <class Action>
Error error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorCode::cancelled, "nothing was thrown");
}

/// Expects an Error of that code whose text (place included) contains `words`.
template <class Action>
void expect_error(ErrorCode code, std::string_view words, Action&& action) {
  const Error error = error_of(action);
  EXPECT_STREQ(name(error.code()), name(code)) << error.what();
  EXPECT_NE(std::string_view(error.what()).find(words), std::string_view::npos)
      << '"' << error.what() << "\" lacks \"" << words << '"';
}

}  // namespace torchferry::testing
