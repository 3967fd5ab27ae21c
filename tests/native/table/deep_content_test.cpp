#include <gtest/gtest.h>
#include <pthread.h>
#include <torchferry/deep_stack.h>

#include <exception>
#include <functional>

#include "io/error_of.h"
#include "table/pickle_text.h"

// Content as deep as the limit allows, on threads with the smallest stacks that are common: 128 KiB is musl's.

namespace torchferry::testing {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kSmallStack = 512 << 10;
#else
constexpr std::size_t kSmallStack = 128 << 10;
#endif

void on_small_stack(const std::function<void()>& work) {
  struct Call {
    const std::function<void()>& work;
    std::exception_ptr error;
  } call{work, nullptr};
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, kSmallStack), 0);
  pthread_t thread;
  const auto run = [](void* pointer) -> void* {
    auto& one = *static_cast<Call*>(pointer);
    try {
      one.work();
    } catch (...) {
      one.error = std::current_exception();
    }
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, &call), 0);
  pthread_attr_destroy(&attributes);
  pthread_join(thread, nullptr);
  if (call.error) std::rethrow_exception(call.error);
}

/// {"a": [[[… tensor …]]]}, of kinds that take turns.
std::string nested(std::size_t levels) {
  Pickle content;
  for (std::size_t i = 0; i < levels; ++i) content += i % 2 == 0 ? "](" : "}(" + str("k");
  content += tensor({});
  for (std::size_t i = levels; i-- > 0;) content += i % 2 == 0 ? "e" : "u";
  return archive(dict({{str("a"), content}}), {{"0", floats(6)}});
}

void read_all(const std::string& file, std::size_t levels, const OpenOptions& options = {}) {
  const Checkpoint checkpoint = open_bytes(file, options);
  ASSERT_EQ(checkpoint.entries().size(), 1u);
  EXPECT_EQ(checkpoint.entries()[0].key.size(), 1 + 2 * levels);
  const std::vector<std::string> path{"a"};
  EXPECT_EQ(checkpoint.entries(path).size(), 1u);
  ValuePtr value = checkpoint.root();
  EXPECT_EQ(value->entries.size(), 1u);
  EXPECT_EQ(checkpoint.metadata(path), nullptr);
  value.reset();
}

TEST(DeepContent, AsDeepAsTheLimitOnASmallStack) {
  const std::string file = nested(990);
  on_small_stack([&] { read_all(file, 990); });
  expect_error(ErrorCode::limit_exceeded, "depth = 1000", [] { on_small_stack([] { open_bytes(nested(1001)); }); });
}

TEST(DeepContent, AsDeepAsARaisedLimit) {
  OpenOptions options;
  options.limits.depth = 20'000;
  options.limits.name_bytes = std::uint64_t{8} << 30;
  const std::string file = nested(2'000);
  on_small_stack([&] { read_all(file, 2'000, options); });
}

TEST(DeepContent, WhatTheWorkThrowsPassesOn) {
  on_small_stack([] {
    expect_error(ErrorCode::cancelled, "enough",
                 [] { run_on_stack_for(100'000, [] { throw Error(ErrorCode::cancelled, "enough"); }); });
    EXPECT_EQ(on_stack_for(100'000, [] { return 7; }), 7);
  });
}

}  // namespace
}  // namespace torchferry::testing
