// safetensors files and shards; tests/interop/check_saved.py asks the reference library.

#include <torchferry/save.h>

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/complex.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/quantize_per_tensor.h>
#include <gtest/gtest.h>
#include <torchferry/checkpoint.h>
#include <torchferry/error.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "io/error_of.h"
#include "io/temp_file.h"
#include "torch/loading.h"
#include "torch/views.h"

namespace torchferry::testing {
namespace {

using Items = std::vector<std::pair<std::string, at::Tensor>>;

at::Tensor floats(std::int64_t count) { return at::arange(count, c10::kFloat); }

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> names_in(const std::filesystem::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.insert(entry.path().filename());
  return names;
}

class SaveSafetensors : public ::testing::Test {
 protected:
  static SaveOptions options() {
    SaveOptions options;
    options.format = Format::safetensors;
    return options;
  }
  std::filesystem::path path() const { return folder_ / "model.safetensors"; }

  StateDict round_trip(Items items, const SaveOptions& options) const {
    save(StateDict::of(std::move(items)), path(), options);
    return StateDict::load(Checkpoint::open(path()));
  }
  void expect_refused(ErrorCode code, std::string_view words, Items items) const {
    expect_error(code, words, [&] { save(StateDict::of(std::move(items)), path(), options()); });
    EXPECT_TRUE(names_in(folder_.path()).empty());
  }

  TempDirectory folder_;
};

TEST_F(SaveSafetensors, TheBytesAreThoseOfTheReferenceLibrary) {
  // save_file({"b": arange(2), "a\n": tensor([1., 2.]), "c": tensor(True)}, path, {"format": "pt"})
  const at::Tensor yes = at::empty({}, c10::kBool).fill_(true);
  save(StateDict::of({{"b", at::arange(2)}, {"a\n", floats(2).add(1)}, {"c", yes}}), path(), options());
  const std::string json =
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},)"
      R"("a\n":{"dtype":"F32","shape":[2],"data_offsets":[16,24]},)"
      R"("c":{"dtype":"BOOL","shape":[],"data_offsets":[24,25]}})";
  const std::string padded = json + std::string((8 - json.size() % 8) % 8, ' ');
  std::string expected(8, '\0');
  expected[0] = static_cast<char>(padded.size());
  ASSERT_LT(padded.size(), 256U);
  expected += padded;
  expected.append(8, '\0').append("\1").append(7, '\0');
  expected.append("\0\0\x80\x3F\0\0\0\x40", 8).append("\1");
  EXPECT_EQ(content_of(path()), expected);
}

TEST_F(SaveSafetensors, EveryDtypeOfTheFormat) {
  const DType types[] = {DType::boolean,         DType::uint8,           DType::int8,
                         DType::float8_e5m2,     DType::float8_e4m3fn,   DType::float8_e8m0fnu,
                         DType::float8_e4m3fnuz, DType::float8_e5m2fnuz, DType::int16,
                         DType::uint16,          DType::float16,         DType::bfloat16,
                         DType::int32,           DType::uint32,          DType::float32,
                         DType::complex64,       DType::float64,         DType::int64,
                         DType::uint64,          DType::float4_e2m1fn_x2};
  Items items;
  for (const DType type : types) {
    const auto count = static_cast<std::int64_t>(6 * itemsize(type));
    const at::Tensor raw = at::arange(count, c10::kByte).bitwise_and(type == DType::boolean ? 1 : 0xFF);
    const at::Tensor all = view_on(raw.storage(), c10::ScalarType(static_cast<int>(type)), {2, 3}, {3, 1}, 0);
    items.emplace_back(std::string(name(type)), all);
    items.emplace_back(std::string(name(type)) + ".t",
                       view_on(raw.storage(), all.scalar_type(), {3, 2}, {1, 3}, 0));
  }
  const StateDict loaded = round_trip(items, options());
  ASSERT_EQ(loaded.size(), items.size());
  for (const auto& [key, tensor] : items) {
    SCOPED_TRACE(key);
    const at::Tensor back = tensor_at(loaded, key);
    EXPECT_EQ(back.scalar_type(), tensor.scalar_type());
    EXPECT_EQ(back.sizes(), tensor.sizes());
    EXPECT_TRUE(back.is_contiguous());
    const auto bits = [](const at::Tensor& all) {
      const auto size = static_cast<std::int64_t>(all.element_size());
      std::vector<std::int64_t> sizes{all.size(0), all.size(1), size};
      std::vector<std::int64_t> strides{all.stride(0) * size, all.stride(1) * size, 1};
      return view_on(all.storage(), c10::kByte, sizes, strides, all.storage_offset() * size);
    };
    EXPECT_TRUE(at::equal(bits(back), bits(tensor)));
  }
}

TEST_F(SaveSafetensors, NamesOfOneTensorAreNotedAndViewsWrittenOut) {
  const at::Tensor base = floats(12).view({3, 4});
  const Items items = {{"z", base}, {"lm_head", base.detach()}, {"row", base[1]}, {"t", base.t()}};
  save(StateDict::of(items), path(), options());
  const SaveReport report = save(StateDict::of(items), path(), options());
  EXPECT_EQ(report.repeated, (std::vector<std::pair<std::string, std::string>>{{"z", "lm_head"}}));
  EXPECT_EQ(report.bytes, std::filesystem::file_size(path()));
  const Checkpoint file = Checkpoint::open(path());
  EXPECT_EQ(file.entries().size(), 3U);
  EXPECT_NE(content_of(path()).find(R"("__metadata__":{"format":"pt","z":"lm_head"})"), std::string::npos);
  const StateDict loaded = StateDict::load(file);
  EXPECT_TRUE(at::equal(tensor_at(loaded, "t"), base.t()));
  SaveOptions repeat = options();
  repeat.repeat_shared = true;
  repeat.metadata = {{"note", "\xE6\xA8\xA1"}};
  const StateDict all = round_trip(items, repeat);
  EXPECT_EQ(all.size(), 4U);
  EXPECT_TRUE(at::equal(tensor_at(all, "z"), base));
  EXPECT_NE(content_of(path()).find("\"note\":\"\xE6\xA8\xA1\""), std::string::npos);
}

TEST_F(SaveSafetensors, LazyBitsAreResolved) {
  const at::Tensor z = at::complex(floats(4), floats(4).add(0.5));
  const StateDict loaded = round_trip({{"conj", z.conj()}, {"empty", at::empty({0, 3})}}, options());
  EXPECT_FALSE(tensor_at(loaded, "conj").is_conj());
  EXPECT_TRUE(at::equal(tensor_at(loaded, "conj"), z.conj().resolve_conj()));
  EXPECT_EQ(tensor_at(loaded, "empty").sizes(), (std::vector<std::int64_t>{0, 3}));
}

TEST_F(SaveSafetensors, RefusesWhatTheFormatLacks) {
  expect_refused(ErrorCode::unsupported, "tensor 'q': safetensors has no dtype qint8",
                 {{"a", floats(2)}, {"q", at::quantize_per_tensor(floats(2), 1, 0, c10::kQInt8)}});
  expect_refused(ErrorCode::unsupported, "no dtype complex128", {{"z", at::empty({2}, c10::kComplexDouble)}});
  expect_refused(ErrorCode::unsupported, "no sparse tensors", {{"s", at::eye(2).to_sparse()}});
  expect_refused(ErrorCode::unsupported, "tensor 'm'",
                 {{"m", at::empty({2}, c10::TensorOptions().device(c10::kMeta))}});
  expect_refused(ErrorCode::invalid_argument, "keeps the name __metadata__", {{"__metadata__", floats(1)}});
  expect_refused(ErrorCode::invalid_argument, "not UTF-8", {{"\xED\xA0\x80", floats(1)}});
  expect_error(ErrorCode::unsupported, "'epoch' is not a tensor", [&] {
    save(Content::dict({{"w", floats(1)}, {"epoch", 3}}), path(), options());
  });
  SaveOptions tar = options();
  tar.format = Format::tar;
  expect_error(ErrorCode::invalid_argument, "tar are not written",
               [&] { save(StateDict::of({{"a", floats(1)}}), path(), tar); });
}

TEST_F(SaveSafetensors, LargeTensorsThatAreNotContiguousPassInPieces) {
  const at::Tensor matrix = floats(6'000'000).view({3, 1000, 2000}).transpose(0, 2);
  const at::Tensor wide = floats(10'000'000).view({5'000'000, 2}).t();  // rows larger than a piece
  const StateDict loaded = round_trip({{"matrix", matrix}, {"wide", wide}}, options());
  EXPECT_TRUE(at::equal(tensor_at(loaded, "matrix"), matrix));
  EXPECT_TRUE(at::equal(tensor_at(loaded, "wide"), wide));
}

class SaveShards : public SaveSafetensors {
 protected:
  static Items layers() {
    Items items;
    for (int i = 0; i < 5; ++i) items.emplace_back("layer." + std::to_string(i), floats(100).add(i));
    return items;
  }
};

TEST_F(SaveShards, ShardsAndIndexAreNamedAsOthersNameThem) {
  SaveOptions shards = options();
  shards.max_shard_bytes = 800;
  const SaveReport report = save(StateDict::of(layers()), path(), shards);
  ASSERT_EQ(report.files.size(), 4U);
  EXPECT_EQ(names_in(folder_.path()),
            (std::set<std::string>{"model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors",
                                   "model-00003-of-00003.safetensors", "model.safetensors.index.json"}));
  EXPECT_EQ(content_of(folder_ / "model.safetensors.index.json"), R"({
  "metadata": {
    "total_size": 2000
  },
  "weight_map": {
    "layer.0": "model-00001-of-00003.safetensors",
    "layer.1": "model-00001-of-00003.safetensors",
    "layer.2": "model-00002-of-00003.safetensors",
    "layer.3": "model-00002-of-00003.safetensors",
    "layer.4": "model-00003-of-00003.safetensors"
  }
}
)");
  const StateDict second = StateDict::load(Checkpoint::open(report.files[1]));
  EXPECT_EQ(second.size(), 2U);
  EXPECT_TRUE(at::equal(tensor_at(second, "layer.3"), floats(100).add(3)));
}

TEST_F(SaveShards, WhatFitsIsOneFile) {
  SaveOptions shards = options();
  shards.max_shard_bytes = 2'000;
  const SaveReport report = save(StateDict::of(layers()), path(), shards);
  EXPECT_EQ(report.files, std::vector<std::filesystem::path>{path()});
  EXPECT_EQ(names_in(folder_.path()), std::set<std::string>{"model.safetensors"});
}

TEST_F(SaveShards, ZipShardsKeepSharingTogether) {
  SaveOptions shards;
  shards.max_shard_bytes = 900;
  Items items = layers();
  items.emplace_back("tied", items[0].second);
  items.emplace_back("large", floats(1000));
  const std::filesystem::path bin = folder_ / "pytorch_model.bin";
  const SaveReport report = save(StateDict::of(items), bin, shards);
  ASSERT_EQ(report.files.size(), 5U);
  EXPECT_EQ(report.files.back(), folder_ / "pytorch_model.bin.index.json");
  const StateDict first = StateDict::load(Checkpoint::open(folder_ / "pytorch_model-00001-of-00004.bin"));
  ASSERT_EQ(first.size(), 3U);
  EXPECT_TRUE(tensor_at(first, "layer.0").is_same(tensor_at(first, "tied")));
  const StateDict last = StateDict::load(Checkpoint::open(folder_ / "pytorch_model-00004-of-00004.bin"));
  EXPECT_EQ(last.size(), 1U);
  EXPECT_EQ(last.key(0), "large");
}

TEST_F(SaveShards, AFailedSaveLeavesTheOldShards) {
  SaveOptions shards = options();
  shards.max_shard_bytes = 800;
  save(StateDict::of(layers()), path(), shards);
  const std::string old = content_of(folder_ / "model-00002-of-00003.safetensors");
  const std::set<std::string> names = names_in(folder_.path());
  Items changed = layers();
  for (auto& [key, tensor] : changed) tensor = tensor.neg();
  shards.progress = std::make_shared<Progress>();
  shards.progress->cancel = true;
  EXPECT_EQ(error_of([&] { save(StateDict::of(changed), path(), shards); }).code(), ErrorCode::cancelled);
  EXPECT_EQ(names_in(folder_.path()), names);
  // A folder stands where the last shard would go: the others are not put in place either.
  std::filesystem::remove(folder_ / "model.safetensors.index.json");
  std::filesystem::create_directory(folder_ / "model.safetensors.index.json");
  shards.progress = nullptr;
  EXPECT_EQ(error_of([&] { save(StateDict::of(changed), path(), shards); }).code(), ErrorCode::io);
  EXPECT_EQ(names_in(folder_.path()), names);
  EXPECT_EQ(content_of(folder_ / "model-00002-of-00003.safetensors"), old);
}

TEST_F(SaveShards, AShardMayBeReplacedByItsOwnTensors) {
  SaveOptions shards = options();
  shards.max_shard_bytes = 800;
  const SaveReport report = save(StateDict::of(layers()), path(), shards);
  const StateDict mapped = StateDict::load(Checkpoint::open(report.files[0]));
  save(mapped, report.files[0], options());
  const StateDict again = StateDict::load(Checkpoint::open(report.files[0]));
  EXPECT_TRUE(at::equal(tensor_at(again, "layer.1"), floats(100).add(1)));
}

}  // namespace
}  // namespace torchferry::testing
