#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "fuzz/reading.h"
#include "io/temp_file.h"
#include "table/pickle_text.h"

// One checkpoint used from many threads, and many opened at once: for ThreadSanitizer above all, and for the answers.

namespace torchferry::testing {
namespace {

constexpr int kThreads = 8;
constexpr int kRounds = 20;

/// Runs `work(thread)` on many threads that start together.
void together(const std::function<void(int)>& work) {
  std::atomic<int> ready{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      ++ready;
      while (ready < kThreads) std::this_thread::yield();
      work(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

std::string file_bytes() {
  const Pickle state = ordered_dict({{str("w"), tensor({.size = {2, 3}, .stride = {3, 1}})},
                                     {str("t"), tensor({.size = {3, 2}, .stride = {1, 3}})},
                                     {str("d"), tensor({.key = "1"})}});
  const Pickle content = dict({{str("model"), state}, {str("again"), state}, {str("hook"), global("os", "system")}});
  ZipBuilder zip;
  zip.add("r/data.pkl", "\x80\x02" + content + ".");
  zip.add("r/data/0", floats(6));
  zip.add_deflated("r/data/1", floats(6));
  zip.add("r/version", "3\n");
  return zip.bytes();
}

TEST(Concurrency, OneCheckpointFromManyThreads) {
  const TempDirectory folder;
  const auto path = write_file(folder / "a.pt", file_bytes());
  for (int round = 0; round < kRounds; ++round) {
    const Checkpoint shared = Checkpoint::open(path);
    std::vector<std::string> seen(kThreads);
    together([&](int thread) {
      const Checkpoint copy = shared;
      const std::vector<std::string> at{thread % 2 == 0 ? "model" : "again"};
      EXPECT_EQ(copy.entries(at).size(), 3u);
      EXPECT_EQ(copy.opaque_globals(), std::vector<std::string>{"os.system"});
      EXPECT_EQ(copy.root()->entries.size(), 3u);
      const auto bytes = copy.bytes(copy.table().tensors()[0]);
      EXPECT_EQ(bytes.bytes.size(), 24u);
      seen[static_cast<std::size_t>(thread)] = fuzz::everything(copy);
    });
    for (const std::string& text : seen) EXPECT_EQ(text, seen[0]);
  }
}

TEST(Concurrency, ElementsOfDeflatedAndMappedStoragesAtOnce) {
  const Checkpoint shared = open_bytes(file_bytes());
  const auto& rows = shared.table().tensors();
  ASSERT_EQ(rows.size(), 6u);
  together([&](int thread) {
    for (int i = 0; i < 50; ++i) {
      std::vector<float> values(6);
      shared.read_elements(rows[static_cast<std::size_t>(thread + i) % 6], 0, std::as_writable_bytes(std::span(values)));
      EXPECT_EQ(values[0], 0);
      EXPECT_EQ(values[5], 5);
    }
  });
}

TEST(Concurrency, ManyCheckpointsOpenedAtOnce) {
  const TempDirectory folder;
  const auto path = write_file(folder / "a.pt", file_bytes());
  const auto broken = write_file(folder / "b.pt", file_bytes().substr(0, 300));
  std::vector<std::string> seen(kThreads);
  together([&](int thread) {
    for (int i = 0; i < 5; ++i) {
      std::shared_ptr<const std::byte> map;
      {
        const Checkpoint own = Checkpoint::open(path);
        seen[static_cast<std::size_t>(thread)] = fuzz::everything(own);
        map = own.map();
      }
      EXPECT_EQ(std::to_integer<char>(map.get()[0]), 'P') << "a mapping outlives its checkpoint";
      EXPECT_THROW(Checkpoint::open(broken), Error);
    }
  });
  for (const std::string& text : seen) EXPECT_EQ(text, seen[0]);
}

}  // namespace
}  // namespace torchferry::testing
