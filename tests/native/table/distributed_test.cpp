#include <gtest/gtest.h>

#include "io/error_of.h"
#include "table/folders.h"

// Directories of torch.distributed.checkpoint: chunks become tensors again, or a refusal.

namespace torchferry::testing {
namespace {

const StorageRow& storage_of(const Checkpoint& checkpoint, std::size_t entry) {
  const TensorRow& row = checkpoint.table().tensors()[checkpoint.entries()[entry].tensor];
  return checkpoint.table().storages()[row.storage];
}

class Distributed : public ::testing::Test {
 protected:
  Checkpoint open(const OpenOptions& options = {}) {
    directory_.emplace();
    return Checkpoint::open(folder.write(*directory_), options);
  }
  void refuse(ErrorCode code, const std::string& words) {
    expect_error(code, words, [&] { open(); });
  }

  DistributedFolder folder;
  std::optional<TempDirectory> directory_;
};

TEST_F(Distributed, AWholeChunkStaysWhereItIs) {
  folder.value("filler", num(1));
  folder.tensor("w", {2, 3}, {{{0, 0}, {2, 3}}});
  folder.tensor("s", {}, {{{}, {}}});
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.format(), Format::distributed);
  EXPECT_EQ(keys_of(checkpoint.entries()), (std::vector<std::string>{"w", "s"}));
  EXPECT_EQ(elements_of(checkpoint, "w"), counted(6));
  EXPECT_EQ(elements_of(checkpoint, "s"), counted(1));
  EXPECT_TRUE(storage_of(checkpoint, 0).mappable());
  EXPECT_EQ(storage_of(checkpoint, 0).key, "w");
  const TensorRow& row = checkpoint.table().tensors()[checkpoint.entries()[0].tensor];
  EXPECT_EQ(checkpoint.bytes(row).bytes.size(), 24U);
  EXPECT_EQ(checkpoint.file_name(storage_of(checkpoint, 0).file), (*directory_ / "__0_0.distcp").native());
  EXPECT_EQ(Checkpoint::open(*directory_ / ".metadata").entries().size(), 2U);
}

TEST_F(Distributed, ChunksOfAnyTilingBecomeTheTensor) {
  folder.tensor("rows", {5, 4}, {{{0, 0}, {3, 4}, "__0_0.distcp"}, {{3, 0}, {2, 4}, "__1_0.distcp"}});
  folder.tensor("columns", {5, 4}, {{{0, 2}, {5, 2}, "__1_0.distcp"}, {{0, 0}, {5, 2}, "__0_0.distcp"}});
  folder.tensor("grid", {3, 4, 2}, {{{0, 0, 0}, {2, 1, 2}}, {{0, 1, 0}, {2, 3, 2}}, {{2, 0, 0}, {1, 3, 2}}, {{2, 3, 0}, {1, 1, 2}}});
  folder.tensor("empty ranks", {2}, {{{0}, {1}}, {{1}, {1}}, {{2}, {0}}, {{2}, {0}}});
  folder.tensor("pinwheel", {3, 3}, {{{0, 0}, {1, 2}}, {{0, 2}, {2, 1}}, {{2, 1}, {1, 2}}, {{1, 0}, {2, 1}}, {{1, 1}, {1, 1}}});
  folder.tensor("nothing", {0, 3}, {{{0, 0}, {0, 3}}});
  const Checkpoint checkpoint = open();
  EXPECT_EQ(elements_of(checkpoint, "rows"), counted(20));
  EXPECT_EQ(elements_of(checkpoint, "columns"), counted(20));
  EXPECT_EQ(elements_of(checkpoint, "grid"), counted(24));
  EXPECT_EQ(elements_of(checkpoint, "empty ranks"), counted(2));
  EXPECT_EQ(elements_of(checkpoint, "pinwheel"), counted(9));
  EXPECT_EQ(elements_of(checkpoint, "nothing"), counted(0));
  EXPECT_FALSE(storage_of(checkpoint, 0).mappable());
  EXPECT_TRUE(storage_of(checkpoint, 0).readable_in_parts());
}

TEST_F(Distributed, PartsOfAnAssembledStorageCanBeRead) {
  folder.tensor("t", {7, 50}, {{{0, 0}, {7, 13}}, {{0, 13}, {7, 37}}});
  const Checkpoint checkpoint = open();
  const StorageRow& storage = storage_of(checkpoint, 0);
  for (std::uint64_t first = 0; first < 350; first += 3) {
    std::vector<float> part(std::min<std::uint64_t>(29, 350 - first), -1);
    checkpoint.read_storage_range(storage, first * 4, std::as_writable_bytes(std::span(part)));
    for (std::size_t i = 0; i < part.size(); ++i) ASSERT_EQ(part[i], static_cast<float>(first + i));
  }
  std::byte odd[3];
  expect_error(ErrorCode::invalid_argument, "not whole elements", [&] { checkpoint.read_storage_range(storage, 1, odd); });
  const TensorRow& row = checkpoint.table().tensors()[checkpoint.entries()[0].tensor];
  expect_error(ErrorCode::unsupported, "read its elements", [&] { checkpoint.bytes(row); });
}

TEST_F(Distributed, LongRunsAreReadInPlace) {
  folder.tensor("t", {40'000, 3}, {{{0, 0}, {39'000, 3}}, {{39'000, 0}, {1'000, 3}}});
  folder.tensor("u", {2, 40'000}, {{{0, 0}, {2, 30'000}}, {{0, 30'000}, {2, 10'000}}});
  const Checkpoint checkpoint = open();
  EXPECT_EQ(elements_of(checkpoint, "t"), counted(120'000));
  EXPECT_EQ(elements_of(checkpoint, "u"), counted(80'000));
}

TEST_F(Distributed, AnyLayoutOfAChunkIsUnderstood) {
  // The first is stored column by column, the second deflated, the third big-endian.
  folder.tensors.push_back({"t", {6, 2}, {{{0, 0}, {2, 2}}, {{2, 0}, {2, 2}}, {{4, 0}, {2, 2}}}});
  std::string columns;
  for (const float value : {0.F, 2.F, 1.F, 3.F}) append_le(columns, std::bit_cast<std::uint32_t>(value), 4);
  folder.locate("t", Extents{0, 0}, 0, "a", archive(tensor({.numel = 4, .size = {2, 2}, .stride = {1, 2}}), {{"0", columns}}));
  ZipBuilder zip;
  zip.add("archive/data.pkl", "\x80\x02" + tensor({.numel = 4, .size = {2, 2}, .stride = {2, 1}}) + ".");
  zip.add_deflated("archive/data/0", box_floats({6, 2}, {2, 0}, {2, 2}));
  zip.add("archive/version", "3\n");
  folder.locate("t", Extents{2, 0}, 1, "a", zip.bytes());
  std::string big = box_floats({6, 2}, {4, 0}, {2, 2});
  for (std::size_t i = 0; i < big.size(); i += 4) std::reverse(big.begin() + i, big.begin() + i + 4);
  folder.locate("t", Extents{4, 0}, 2, "a",
                archive(tensor({.numel = 4, .size = {2, 2}, .stride = {2, 1}}), {{"0", big}}, "big"));
  const Checkpoint checkpoint = open();
  EXPECT_EQ(elements_of(checkpoint, "t"), counted(12));
  EXPECT_FALSE(storage_of(checkpoint, 0).readable_in_parts());
  std::vector<float> whole(12);
  checkpoint.read_storage(storage_of(checkpoint, 0), std::as_writable_bytes(std::span(whole)), true);
  EXPECT_EQ(whole, counted(12));
}

TEST_F(Distributed, SumsOfPiecesAreChecked) {
  folder.tensor("t", {4}, {{{0}, {2}}, {{2}, {2}}});
  std::string& file = folder.files["__0_0.distcp"];
  file[file.find(floats(2))] ^= 1;
  const Checkpoint checkpoint = open();
  std::vector<float> whole(4);
  const auto out = std::as_writable_bytes(std::span(whole));
  checkpoint.read_storage(storage_of(checkpoint, 0), out, false);
  const Error error = error_of([&] { checkpoint.read_storage(storage_of(checkpoint, 0), out, true); });
  EXPECT_EQ(error.code(), ErrorCode::corrupt);
  EXPECT_EQ(error.file(), (*directory_ / "__0_0.distcp").native());
  EXPECT_EQ(error.record(), "t");
  const Verification verification = checkpoint.verify();
  ASSERT_EQ(verification.parts.size(), 2U);
  EXPECT_EQ(verification.parts[0].name, "__0_0.distcp: t");
  EXPECT_EQ(verification.parts[0].bytes, 8U);
  EXPECT_EQ(verification.parts[0].result, Check::damaged);
  EXPECT_EQ(verification.parts[1].result, Check::matches);
}

TEST_F(Distributed, OtherValuesAreNested) {
  folder.value("epoch", num(3));
  folder.value("list.1", dict({{str("k"), tensor({})}}), {{"0", floats(6)}});
  folder.tensor("model.w.x", {2}, {{{0}, {2}}});
  folder.tensor("list.0", {3}, {{{0}, {3}}});
  folder.tensor("alone", {1}, {{{0}, {1}}});
  folder.planner_data = dict({{str("model.w.x"), tuple({str("model"), str("w.x")})},
                              {str("list.1"), tuple({str("list"), num(1)})},
                              {str("list.0"), tuple({str("list"), num(0)})},
                              {str("epoch"), tuple({str("epoch")})},
                              {str("unknown"), tuple({str("unknown")})}});
  const Checkpoint checkpoint = open();
  EXPECT_EQ(keys_of(checkpoint.entries()), (std::vector<std::string>{"model.w.x", "list.0", "list.1.k", "alone"}));
  EXPECT_EQ(elements_of(checkpoint, "list.1.k"), counted(6));
  const std::vector<std::string> model = {"model"};
  ASSERT_EQ(checkpoint.state_dict_places().size(), 2U);
  EXPECT_EQ(checkpoint.state_dict_places()[0].path, model);
  EXPECT_EQ(keys_of(checkpoint.entries(model)), (std::vector<std::string>{"w.x"}));
  const std::vector<std::string> epoch = {"epoch"};
  EXPECT_EQ(checkpoint.value(epoch)->integer, 3);
  const std::vector<std::string> second = {"list", "1"};
  EXPECT_EQ(checkpoint.value(second)->entries.size(), 1U);
  const std::vector<std::string> third = {"list", "2"};
  expect_error(ErrorCode::invalid_argument, "no '2' in 'list'; there is: indices 0 to 2 (exclusive)",
               [&] { checkpoint.value(third); });
}

TEST_F(Distributed, PathsThatContradictEachOtherAreRefused) {
  folder.tensor("a", {1}, {{{0}, {1}}});
  folder.tensor("b", {1}, {{{0}, {1}}});
  const std::vector<std::pair<std::vector<Pickle>, std::string>> bad = {
      {{tuple({str("x")}), tuple({str("x")})}, "two values in one place"},
      {{tuple({str("x")}), tuple({str("x"), str("y")})}, "a value that holds others"},
      {{tuple({str("x"), str("y")}), tuple({str("x")})}, "two values in one place"},
      {{tuple({str("x"), str("y")}), tuple({str("x"), num(0)})}, "keys among indices"},
      {{tuple({str("x"), num(-1)}), tuple({str("y")})}, "a negative index"},
      {{tuple({str("x"), num(1'000'000'000'000)}), tuple({str("y")})}, "has an index 1000000000000"},
      {{tuple({}), tuple({str("y")})}, "a value without a name"},
      {{tuple({real(1)}), tuple({str("y")})}, "is not an integer"},
  };
  for (const auto& [paths, words] : bad) {
    folder.planner_data = dict({{str("a"), paths[0]}, {str("b"), paths[1]}});
    refuse(ErrorCode::corrupt, words);
  }
}

TEST_F(Distributed, OldMetadataHasNoOffsets) {
  folder.tensor("t", {4}, {{{0}, {2}}, {{2}, {2}}});
  folder.tensor("u", {2, 2}, {{{0, 0}, {2, 2}}});
  for (DistributedFolder::Located& located : folder.located) located.at.reset();
  EXPECT_EQ(elements_of(open(), "t"), counted(4));
  EXPECT_EQ(elements_of(open(), "u"), counted(4));
  folder.located[2].at = Extents{};
  EXPECT_EQ(elements_of(open(), "u"), counted(4));
  folder.located[0].index.reset();
  refuse(ErrorCode::corrupt, "does not tell where a chunk of 't' is");
}

TEST_F(Distributed, ChunksThatDoNotTileAreRefused) {
  const std::vector<std::pair<std::vector<DistributedFolder::Chunk>, std::string>> bad = {
      {{{{0, 0}, {1, 2}}}, "leave a gap"},
      {{{{0, 0}, {2, 2}}, {{1, 0}, {1, 2}}}, "overlap"},
      {{{{0, 0}, {1, 2}}, {{0, 1}, {2, 1}}}, "overlap, and leave a gap"},
      {{{{0, 0}, {3, 2}}}, "is not inside [2, 2]"},
      {{{{1, 0}, {2, 2}}}, "is not inside"},
      {{{{-1, 0}, {2, 2}}}, "is not inside"},
      {{{{0}, {2}}}, "is not inside"},
      {{{{0, 0}, {INT64_MAX, 2}}}, "is not inside"},
      {{}, "leave a gap"},
  };
  for (const auto& [chunks, words] : bad) {
    folder = {};
    folder.tensors.push_back({"t", {2, 2}, chunks});
    refuse(ErrorCode::corrupt, "tensor 't' cannot be put together: ");
    refuse(ErrorCode::corrupt, words);
  }
  folder = {};
  folder.tensors.push_back({"t", {INT64_MAX, 4}, {}});
  refuse(ErrorCode::corrupt, "overflows");
  folder.tensors[0].size = {-1};
  refuse(ErrorCode::corrupt, "negative");
}

TEST_F(Distributed, LyingPlacesAreRefused) {
  folder.tensor("t", {4}, {{{0}, {2}}, {{2}, {2}}});
  const DistributedFolder good = folder;
  const auto with = [&](auto change, ErrorCode code, const std::string& words) {
    folder = good;
    change(folder.located[1]);
    refuse(code, words);
  };
  using Located = DistributedFolder::Located;
  with([](Located& at) { at.length += 1; }, ErrorCode::corrupt, "passes the end");
  with([](Located& at) { at.length -= 30; }, ErrorCode::corrupt, "__0_0.distcp: record t");
  with([](Located& at) { at.offset = INT64_MAX; }, ErrorCode::corrupt, "passes the end");
  with([](Located& at) { at.offset = -1; }, ErrorCode::corrupt, "negative offset");
  with([](Located& at) { at.length = -1; }, ErrorCode::corrupt, "negative length");
  with([](Located& at) { at.length = 0; }, ErrorCode::corrupt, "the file is empty");
  with([](Located& at) { at.offset = 0; }, ErrorCode::corrupt, "'t' and 't' share bytes of '__0_0.distcp'");
  with([](Located& at) { at.offset -= 1; }, ErrorCode::corrupt, "share bytes");
  with([](Located& at) { at.at = Extents{3}; }, ErrorCode::corrupt, "does not tell where a chunk of 't' is");
  with([](Located& at) { at.at = Extents{0}; }, ErrorCode::corrupt, "two chunks of 't' at one place");
  with([](Located& at) { at.name = "x"; }, ErrorCode::corrupt, "does not tell where a chunk of 't' is");
  with([](Located& at) { at.file = "../__0_0.distcp"; }, ErrorCode::corrupt, "'t' and what else is in its file: '../");
  with([](Located& at) { at.file = "gone"; }, ErrorCode::corrupt, "'gone' is not there");
  with([](Located& at) { at.transforms = list({str("zstd")}); }, ErrorCode::unsupported, "extension");
}

TEST_F(Distributed, ChunksThatAreSomethingElseAreRefused) {
  folder.tensor("t", {4}, {{{0}, {2}}, {{2}, {2}}});
  const DistributedFolder good = folder;
  folder.tensors[0].dtype = "float64";
  refuse(ErrorCode::corrupt, "dtype is said to be float64, and a piece of it is of float32");
  folder.tensors[0].dtype = "what";
  refuse(ErrorCode::unsupported, "dtype of 't' is not known");
  folder = good;
  folder.located.pop_back();
  folder.locate("t", Extents{2}, 1, "b", archive(num(7), {}));
  refuse(ErrorCode::corrupt, "something else than a tensor");
  folder.located.pop_back();
  folder.locate("t", Extents{2}, 1, "b", archive(tensor({.numel = 3, .size = {3}}), {{"0", floats(3)}}));
  refuse(ErrorCode::corrupt, "a chunk has the sizes [3], and [2] in the metadata");
}

TEST_F(Distributed, PlainValuesInPlaceOfObjectsAreRefused) {
  folder.tensor("t", {4}, {{{0}, {2}}, {{2}, {2}}});
  const DistributedFolder good = folder;
  for (const Pickle& plain : {num(INT64_MAX), real(-0.5), str("text"), tuple({num(1)}), dict({}), none()}) {
    folder = good;
    folder.located[1].instead = plain;
    refuse(ErrorCode::corrupt, "a plain value where an object with relative_path belongs");
    folder = good;
    folder.tensors[0].instead_of_chunks = list({plain, plain});
    refuse(ErrorCode::corrupt, "a plain value where an object with offsets belongs");
  }
}

TEST_F(Distributed, WhatCannotBePutTogetherIsLeftToTheLoad) {
  folder.tensors.push_back({"t", {4}, {{{0}, {2}}, {{2}, {2}}}});
  const Pickle negative = tensor({.numel = 2, .size = {2}, .metadata = dict({{str("neg"), boolean(true)}})});
  for (const std::int64_t at : {0, 2}) folder.locate("t", Extents{at}, at / 2, "a", archive(negative, {{"0", floats(2)}}));
  const Checkpoint checkpoint = open();
  const TensorRow& row = checkpoint.table().tensors()[checkpoint.entries()[0].tensor];
  EXPECT_NE(checkpoint.table().unsupported(row).find("lazy"), std::string_view::npos);
  EXPECT_EQ(checkpoint.table().sizes(row)[0], 4);
}

TEST_F(Distributed, CodeIsNeverRunAndRefusedWhereAskedFor) {
  folder.value("v", call(global("os", "system"), {str("true")}));
  EXPECT_EQ(open().opaque_globals(), (std::vector<std::string>{"os.system"}));
  OpenOptions options;
  options.weights_only = true;
  expect_error(ErrorCode::unsafe, "os.system", [&] { open(options); });
  folder = {};
  folder.planner_data = global("os", "system");
  EXPECT_TRUE(open().entries().empty());
  expect_error(ErrorCode::unsafe, "os.system", [&] { open(options); });
}

TEST_F(Distributed, LimitsHold) {
  for (int i = 0; i < 3; ++i) folder.tensor("t" + std::to_string(i), {1}, {{{0}, {1}, "f" + std::to_string(i)}});
  const auto exceeds = [&](const std::string& words, auto set) {
    OpenOptions options;
    set(options.limits);
    expect_error(ErrorCode::limit_exceeded, words, [&] { open(options); });
  };
  exceeds("tensors = 2", [](Limits& limits) { limits.tensors = 2; });
  exceeds("records = 2", [](Limits& limits) { limits.records = 2; });
  exceeds("pickle_bytes = 100", [](Limits& limits) { limits.pickle_bytes = 100; });
  exceeds("name_bytes = 3", [](Limits& limits) { limits.name_bytes = 3; });
}

TEST_F(Distributed, CutMetadataIsTyped) {
  folder.tensor("t", {4}, {{{0}, {2}}, {{2}, {2}}});
  const std::string whole = folder.metadata();
  open();
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    std::filesystem::remove(*directory_ / ".metadata");
    write_file(*directory_ / ".metadata", whole.substr(0, size));
    EXPECT_THROW(Checkpoint::open(directory_->path()), Error) << size;
  }
}

TEST_F(Distributed, DirectoriesThatAreNotWholeAreExplained) {
  folder.tensor("t", {1}, {{{0}, {1}}});
  open();
  std::filesystem::rename(*directory_ / ".metadata", *directory_ / ".metadata.tmp");
  expect_error(ErrorCode::io, "interrupted", [&] { Checkpoint::open(directory_->path()); });
  std::filesystem::rename(*directory_ / ".metadata.tmp", *directory_ / "__0.metadata");
  expect_error(ErrorCode::io, "open the index of one rank: '__0.metadata'", [&] { Checkpoint::open(directory_->path()); });
  EXPECT_EQ(Checkpoint::open(*directory_ / "__0.metadata").entries().size(), 1U);
  expect_error(ErrorCode::unsupported, "open the directory by its path", [&] { open_bytes(folder.metadata()); });
}

TEST(SlicedSafetensors, AreFoundByTheirMetadata) {
  const TempDirectory directory;
  const auto slice = [](const Extents& at, const Extents& size) {
    const std::string info = R"({\"w\":{\"saved_offsets\":)" + json_text(at) + R"(},\"one\":{\"saved_offsets\":[0]}})";
    std::vector<std::pair<std::string, std::pair<Extents, std::string>>> tensors = {{"w", {size, box_floats({4, 3}, at, size)}}};
    if (at[0] == 0) tensors.push_back({"one", {{2}, floats(2)}});
    return safetensors_file(tensors, R"({"DCP_VERSION":"1.0","DCP_SHARDING_INFO":")" + info + "\"}");
  };
  write_file(directory / "shard-00001-model-00001-of-00001.safetensors", slice({0, 0}, {3, 3}));
  const auto second = write_file(directory / "shard-00002-model-00001-of-00001.safetensors", slice({3, 0}, {1, 3}));
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  EXPECT_EQ(checkpoint.format(), Format::distributed);
  EXPECT_EQ(keys_of(checkpoint.entries()), (std::vector<std::string>{"w", "one"}));
  EXPECT_EQ(elements_of(checkpoint, "w"), counted(12));
  EXPECT_EQ(elements_of(checkpoint, "one"), counted(2));
  EXPECT_TRUE(storage_of(checkpoint, 1).mappable());
  std::filesystem::remove(second);
  write_file(second, slice({2, 0}, {1, 3}));
  expect_error(ErrorCode::corrupt, "tensor 'w': it cannot be put together: its chunks overlap",
               [&] { Checkpoint::open(directory.path()); });
}

}  // namespace
}  // namespace torchferry::testing
