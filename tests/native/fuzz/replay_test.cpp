#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz/reading.h"
#include "fuzz/targets.h"

// What fuzzing found once, and what it starts from, through every target: so a build without a fuzzer keeps them.

namespace torchferry::fuzz {
namespace {

namespace fs = std::filesystem;

struct Input {
  std::string name;
  std::string bytes;
};

std::vector<Input> inputs_in(const char* folder) {
  std::vector<Input> inputs;
  for (const auto& entry : fs::directory_iterator(fs::path(TORCHFERRY_ROOT) / folder)) {
    if (!entry.is_regular_file() || entry.path().extension() == ".md") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    inputs.push_back({entry.path().filename(), {std::istreambuf_iterator<char>(file), {}}});
  }
  std::sort(inputs.begin(), inputs.end(), [](const Input& a, const Input& b) { return a.name < b.name; });
  return inputs;
}

void replay(const Target& target, const Input& input) {
  SCOPED_TRACE(std::string(target.name) + " " + input.name);
  EXPECT_NO_THROW(target.run(std::as_bytes(std::span(input.bytes))));
}

TEST(FuzzReplay, EveryFindingThroughEveryTarget) {
  const std::vector<Input> inputs = inputs_in("tests/fuzz/regressions");
  ASSERT_FALSE(inputs.empty());
  for (const Input& input : inputs) {
    for (const Target& target : targets()) replay(target, input);
  }
}

TEST(FuzzReplay, EveryFixtureThroughEveryTarget) {
  const std::vector<Input> inputs = inputs_in("tests/java/core/resources/fixtures");
  ASSERT_GT(inputs.size(), 30u);
  for (const Input& input : inputs) {
    for (const Target& target : targets()) replay(target, input);
  }
}

/// A check that always passed would find nothing.
TEST(FuzzReplay, TheChecksTellWhatDiffers) {
  std::size_t sound = 0;
  for (const Input& input : inputs_in("tests/java/core/resources/fixtures")) {
    const Bytes bytes = std::as_bytes(std::span(input.bytes));
    const std::string here = outcome([&] { return Checkpoint::open(bytes, nullptr, "here"); });
    sound += !here.starts_with("refused");
    std::string changed = input.bytes;
    if (here.starts_with("refused") || !here.starts_with("zip") || here.find("sum ") == here.npos) continue;
    const Checkpoint file = Checkpoint::open(bytes, nullptr, "file");
    if (file.table().storages().empty() || file.table().storages()[0].nbytes == 0) continue;
    changed[file.table().storages()[0].file_offset] ^= 1;
    const std::string other =
        outcome([&] { return Checkpoint::open(std::as_bytes(std::span(changed)), nullptr, "there"); });
    EXPECT_NE(here, other) << input.name;
  }
  EXPECT_GT(sound, 20u);
  EXPECT_THROW(require_fitting(Error(ErrorCode::out_of_memory, "f", {}, {}, "m"), "f"), BrokenPromise);
  EXPECT_THROW(require_fitting(Error(ErrorCode::corrupt, "m"), "f"), BrokenPromise);
  EXPECT_NO_THROW(require_fitting(Error(ErrorCode::corrupt, "f", {}, {}, "m"), "f"));
}

}  // namespace
}  // namespace torchferry::fuzz
