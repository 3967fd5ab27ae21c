#pragma once

#include <gtest/gtest.h>
#include <torchferry/error.h>

#include <string>

#include "pickle/wire.h"

namespace torchferry::pickle::testing {

/// That the pickle is refused with this code, at this offset, with a message that contains `part`.
inline void expect_refused(const std::string& pickle, ErrorCode code, std::uint64_t offset,
                           const std::string& part,
                           const Limits& limits = {}) {
  try {
    parse_text(pickle, limits);
    ADD_FAILURE() << "was parsed, but should be refused: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(name(error.code()), std::string(name(code))) << error.what();
    EXPECT_EQ(error.offset(), offset) << error.what();
    EXPECT_NE(error.message().find(part), std::string::npos) << error.what();
  }
}

inline void expect_corrupt(const std::string& pickle, std::uint64_t offset, const std::string& part) {
  expect_refused(pickle, ErrorCode::corrupt, offset, part);
}

}  // namespace torchferry::pickle::testing
