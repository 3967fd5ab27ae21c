// Loading checkpoints of several files: mapped file by file, and put together by several threads.

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>
#include <torchferry/error.h>

#include "io/error_of.h"
#include "table/folders.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

class SeveralFilesLoad : public ::testing::Test {
 protected:
  Checkpoint shards() {
    for (int i = 0; i < 3; ++i) {
      const std::string name(1, static_cast<char>('a' + i));
      write_file(directory_ / name, safetensors_file({{name, {{i + 1}, floats(static_cast<std::size_t>(i) + 1)}}}));
    }
    return Checkpoint::open(write_file(directory_ / "index.json", index_file({{"c", "c"}, {"a", "a"}, {"b", "b"}})));
  }

  TempDirectory directory_;
};

TEST_F(SeveralFilesLoad, ShardsAreMappedEach) {
  const Checkpoint checkpoint = shards();
  const StateDict first = StateDict::load(checkpoint);
  const StateDict second = StateDict::load(checkpoint);
  EXPECT_EQ(first.report().bytes_mapped + first.report().bytes_read, 24U);
  EXPECT_EQ(floats_of(tensor_at(first, "c")), counted(3));
  EXPECT_EQ(floats_of(tensor_at(first, "a")), counted(1));
  tensor_at(first, "b").fill_(7.0);
  EXPECT_EQ(floats_of(tensor_at(second, "b")), counted(2));
}

TEST_F(SeveralFilesLoad, ShardsAreReadOrPlacedElsewhere) {
  const StateDict copied = StateDict::load(shards(), load_to(Device::cpu(), false));
  EXPECT_EQ(copied.report().bytes_read, 24U);
  EXPECT_EQ(floats_of(tensor_at(copied, "c")), counted(3));
  const StateDict meta = StateDict::load(Checkpoint::open(directory_.path()), load_to(Device::meta()));
  EXPECT_TRUE(tensor_at(meta, "a").is_meta());
  EXPECT_EQ(meta.report().bytes_read, 0U);
}

TEST_F(SeveralFilesLoad, PiecesArePutTogetherByAnyNumberOfThreads) {
  // Larger than what one thread does in one go, in runs that its end cuts.
  constexpr std::int64_t rows = 1'600;
  constexpr std::int64_t columns = 3'001;
  DistributedFolder folder;
  folder.tensor("t", {rows, columns}, {{{0, 0}, {rows, 1'000}, "a"}, {{0, 1'000}, {700, columns - 1'000}, "b"},
                                       {{700, 1'000}, {rows - 700, columns - 1'000}, "c"}});
  folder.tensor("small", {3}, {{{0}, {2}}, {{2}, {1}}});
  const Checkpoint checkpoint = Checkpoint::open(folder.write(directory_));
  const std::vector<float> expected = counted(rows * columns);
  for (const unsigned threads : {1U, 2U, 5U}) {
    for (const bool verify : {false, true}) {
      LoadOptions options;
      options.threads = threads;
      options.verify_checksums = verify;
      options.progress = std::make_shared<Progress>();
      const StateDict loaded = StateDict::load(checkpoint, options);
      ASSERT_EQ(floats_of(tensor_at(loaded, "t")), expected);
      EXPECT_EQ(floats_of(tensor_at(loaded, "small")), counted(3));
      EXPECT_EQ(options.progress->done, rows * columns * 4 + 12);
      EXPECT_EQ(options.progress->total, options.progress->done);
      EXPECT_EQ(loaded.report().bytes_mapped, 0U);
    }
  }
}

TEST_F(SeveralFilesLoad, DamageToAPieceIsFoundWhereAskedFor) {
  DistributedFolder folder;
  folder.tensor("t", {4}, {{{0}, {2}}, {{2}, {2}}});
  std::string& file = folder.files["__0_0.distcp"];
  file[file.rfind(box_floats({4}, {2}, {2}))] ^= 1;
  const Checkpoint checkpoint = Checkpoint::open(folder.write(directory_));
  StateDict::load(checkpoint);
  LoadOptions options;
  options.verify_checksums = true;
  expect_error(ErrorCode::corrupt, "__0_0.distcp: record t, byte 0: the bytes do not match",
               [&] { StateDict::load(checkpoint, options); });
}

TEST_F(SeveralFilesLoad, ACutShardIsAnErrorOfItsFile) {
  const Checkpoint checkpoint = shards();
  std::filesystem::resize_file(directory_ / "b", 10);
  for (const bool mmap : {true, false}) {
    const Error error = error_of([&] { StateDict::load(checkpoint, load_to(Device::cpu(), mmap)); });
    EXPECT_EQ(error.code(), ErrorCode::io);
    EXPECT_EQ(error.file(), (directory_ / "b").native());
  }
}

}  // namespace
}  // namespace torchferry::testing
