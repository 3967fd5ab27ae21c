#include <gtest/gtest.h>

#include "io/error_of.h"
#include "table/folders.h"

// Shards beside an index: found from the index and from the directory, and kept inside it.

namespace torchferry::testing {
namespace {

constexpr const char* kIndex = "model.safetensors.index.json";

/// Two shards: "a" and "b" in the first, "c" in the second.
class Shards : public ::testing::Test {
 protected:
  Shards() {
    write_file(directory_ / "one", safetensors_file({{"b", {{2}, floats(2)}}, {"a", {{3}, floats(3)}}}));
    write_file(directory_ / "two", archive(dict({{str("c"), tensor({})}}), {{"0", floats(6)}}));
    index({{"c", "two"}, {"a", "one"}, {"b", "one"}});
  }

  void index(const std::vector<std::pair<std::string, std::string>>& weight_map) {
    std::filesystem::remove(directory_ / kIndex);
    write_file(directory_ / kIndex, index_file(weight_map));
  }
  void index_text(const std::string& text) {
    std::filesystem::remove(directory_ / kIndex);
    write_file(directory_ / kIndex, text);
  }
  Checkpoint open(const OpenOptions& options = {}) const { return Checkpoint::open(directory_ / kIndex, options); }

  void refuse(ErrorCode code, const std::string& words, const OpenOptions& options = {}) const {
    const Error error = error_of([&] { open(options); });
    EXPECT_STREQ(name(error.code()), name(code)) << error.what();
    EXPECT_NE(error.message().find(words), std::string::npos) << error.what();
    EXPECT_EQ(error.file(), (directory_ / kIndex).native());
  }

  TempDirectory directory_;
};

TEST_F(Shards, AreOneCheckpointInTheOrderOfTheIndex) {
  for (const auto& path : {directory_ / kIndex, directory_.path()}) {
    const Checkpoint checkpoint = Checkpoint::open(path);
    EXPECT_EQ(checkpoint.format(), Format::sharded);
    EXPECT_EQ(checkpoint.name(), path.native());
    EXPECT_EQ(keys_of(checkpoint.entries()), (std::vector<std::string>{"c", "a", "b"}));
    EXPECT_EQ(elements_of(checkpoint, "c"), counted(6));
    EXPECT_EQ(elements_of(checkpoint, "a"), counted(3));
    EXPECT_EQ(elements_of(checkpoint, "b"), counted(2));
    EXPECT_EQ(checkpoint.size(), std::filesystem::file_size(directory_ / "one") +
                                     std::filesystem::file_size(directory_ / "two") +
                                     std::filesystem::file_size(directory_ / kIndex));
    EXPECT_EQ(checkpoint.metadata({})->entries.at(0).second->integer, 1);
    EXPECT_EQ(checkpoint.root()->entries.size(), 3U);
    EXPECT_TRUE(checkpoint.opaque_globals().empty());
  }
}

TEST_F(Shards, EachTensorKnowsItsFile) {
  const Checkpoint checkpoint = open();
  ASSERT_EQ(checkpoint.file_count(), 2U);
  const TensorRow& row = checkpoint.table().tensors()[checkpoint.entries()[1].tensor];
  const StorageRow& storage = checkpoint.table().storages()[row.storage];
  EXPECT_EQ(checkpoint.file_name(storage.file), (directory_ / "one").native());
  EXPECT_EQ(storage.key, "one/a");
  EXPECT_TRUE(storage.mappable());
  EXPECT_EQ(checkpoint.bytes(row).bytes.size(), 12U);
  const TensorRow& other = checkpoint.table().tensors()[checkpoint.entries()[0].tensor];
  EXPECT_EQ(checkpoint.record_name(checkpoint.table().storages()[other.storage]), "archive/data/0");
  EXPECT_THROW(checkpoint.file_name(2), Error);
}

TEST_F(Shards, AreVerifiedFileByFile) {
  std::vector<std::string> names;
  const Verification verification = open().verify();
  for (const CheckedPart& part : verification.parts) names.push_back(part.name);
  EXPECT_EQ(names, (std::vector<std::string>{"two: archive/data.pkl", "two: archive/byteorder", "two: archive/data/0",
                                             "two: archive/version", "one/b", "one/a"}));
  EXPECT_TRUE(verification.sound());
}

TEST_F(Shards, PlacesOfStateDictsAreFound) {
  const auto places = open().state_dict_places();
  ASSERT_EQ(places.size(), 1U);
  EXPECT_TRUE(places[0].path.empty());
  EXPECT_EQ(places[0].tensors, 3U);
}

TEST_F(Shards, OneTensorCanBeNamed) {
  const Checkpoint checkpoint = open();
  const std::vector<std::string> path = {"a"};
  ASSERT_EQ(checkpoint.entries(path).size(), 1U);
  EXPECT_EQ(checkpoint.entries(path)[0].key, "");
  EXPECT_EQ(checkpoint.value(path)->kind, Value::Kind::tensor);
  EXPECT_EQ(checkpoint.metadata(path), nullptr);
  const std::vector<std::string> wrong = {"model"};
  expect_error(ErrorCode::invalid_argument, "no 'model' at the top of the content; there is: 'c', 'a', 'b'",
               [&] { checkpoint.entries(wrong); });
}

TEST_F(Shards, WhatTheIndexDoesNotListIsPassedOver) {
  index({{"a", "one"}});
  EXPECT_EQ(keys_of(open().entries()), (std::vector<std::string>{"a"}));
}

TEST_F(Shards, AnIndexWithoutMetadataOrTensorsIsOne) {
  index_text(R"( {"weight_map": {}, "more": [1, {"x": null}]} )");
  EXPECT_TRUE(open().entries().empty());
  EXPECT_EQ(open().metadata({}), nullptr);
}

TEST_F(Shards, MetadataIsWhateverItIs) {
  index_text(R"({"weight_map":{},"metadata":{"f":-1.5e3,"n":null,"t":[true,false],"i":-7,"b":123456789012345678901}})");
  const ValuePtr metadata = open().metadata({});
  ASSERT_EQ(metadata->entries.size(), 5U);
  EXPECT_EQ(metadata->entries[0].second->real, -1500);
  EXPECT_EQ(metadata->entries[1].second->kind, Value::Kind::none);
  EXPECT_EQ(metadata->entries[2].second->items.at(0)->integer, 1);
  EXPECT_EQ(metadata->entries[2].second->items.at(1)->kind, Value::Kind::boolean);
  EXPECT_EQ(metadata->entries[3].second->integer, -7);
  EXPECT_EQ(metadata->entries[4].second->text, "123456789012345678901");
}

TEST_F(Shards, IndexesThatAreNoneAreRefused) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {R"({"weight_map":{"a":1}})", "the file of tensor 'a' is not a string"},
      {R"({"weight_map":{1:"one"}})", "expected a string"},
      {R"({"weight_map":["one"]})", "\"weight_map\" is not an object"},
      {R"({"weight_map":{"a":"one","a":"one"}})", "tensor 'a' stands twice"},
      {R"({"weight_map":{},"weight_map":{}})", "\"weight_map\" stands twice"},
      {R"({"weight_map":{"a":"one")", "ends too early"},
      {R"({"weight_map":{"a":"one"}} x)", "something follows"},
      {"{\"weight_map\":{\"\xFF\":\"one\"}}", "UTF-8"},
  };
  for (const auto& [text, words] : bad) {
    index_text(text);
    refuse(ErrorCode::corrupt, words);
  }
  index_text(R"({"architectures": ["Net"]})");
  refuse(ErrorCode::unsupported, "has no \"weight_map\"");
}

TEST_F(Shards, MissingThingsAreNamed) {
  index({{"a", "one"}, {"x", "one"}});
  refuse(ErrorCode::corrupt, "tensor 'x' is not in 'one', where the index has it");
  index({{"a", "gone"}});
  refuse(ErrorCode::corrupt, "tensor 'a' and what else is in its file: 'gone' is not there");
}

TEST_F(Shards, ATensorInTwoShardsIsRefused) {
  write_file(directory_ / "three", safetensors_file({{"a", {{1}, floats(1)}}, {"d", {{1}, floats(1)}}}));
  index({{"a", "one"}, {"d", "three"}});
  refuse(ErrorCode::corrupt, "tensor 'a' is in 'one', where the index has it, and in 'three' too");
}

TEST_F(Shards, NamesThatLeadOutOfTheFolderAreRefused) {
  const TempDirectory outside;
  write_file(outside / "one", safetensors_file({{"a", {{1}, floats(1)}}}));
  for (const std::string name : {"../one", "/etc/passwd", "sub/one", ".", "..", "", "C:one", "..\\\\one", "a\\u0000b"}) {
    index_text(R"({"weight_map":{"a":")" + name + "\"}}");
    refuse(ErrorCode::corrupt, "is not the name of a file beside the index");
  }
  std::filesystem::create_symlink(outside / "one", directory_ / "link");
  index({{"a", "link"}});
  refuse(ErrorCode::corrupt, "is a link that leads out of the folder");
  std::filesystem::create_symlink(directory_ / "nothing", directory_ / "broken");
  index({{"a", "broken"}});
  refuse(ErrorCode::corrupt, "is a link that leads to no file");
  std::filesystem::create_symlink("one", directory_ / "inside");
  index({{"a", "inside"}});
  EXPECT_EQ(elements_of(open(), "a"), counted(3));
}

TEST_F(Shards, LinksOfADownloadCacheAreFollowed) {
  const TempDirectory snapshot;
  for (const char* name : {"one", "two", kIndex}) std::filesystem::create_symlink(directory_ / name, snapshot / name);
  EXPECT_EQ(Checkpoint::open(snapshot / kIndex).entries().size(), 3U);
  EXPECT_EQ(Checkpoint::open(snapshot.path()).entries().size(), 3U);
}

TEST_F(Shards, ErrorsInAShardNameTheShard) {
  std::filesystem::resize_file(directory_ / "one", std::filesystem::file_size(directory_ / "one") - 4);
  const Error cut = error_of([&] { open(); });
  EXPECT_EQ(cut.code(), ErrorCode::corrupt);
  EXPECT_EQ(cut.file(), (directory_ / "one").native());
  std::filesystem::remove(directory_ / "one");
  write_file(directory_ / "one", index_file({{"a", "one"}}));
  const Error again = error_of([&] { open(); });
  EXPECT_EQ(again.code(), ErrorCode::unsupported);
  EXPECT_EQ(again.file(), (directory_ / "one").native());
}

TEST_F(Shards, UnknownObjectsAreToldOrRefused) {
  std::filesystem::remove(directory_ / "two");
  write_file(directory_ / "two", archive(dict({{str("c"), tensor({})}, {str("f"), global("os", "system")}}), {{"0", floats(6)}}));
  EXPECT_EQ(open().opaque_globals(), (std::vector<std::string>{"os.system"}));
  OpenOptions options;
  options.weights_only = true;
  const Error error = error_of([&] { open(options); });
  EXPECT_EQ(error.code(), ErrorCode::unsafe);
  EXPECT_EQ(error.file(), (directory_ / "two").native());
}

TEST_F(Shards, LimitsHoldForTheIndex) {
  const auto with = [](auto set) {
    OpenOptions options;
    set(options.limits);
    return options;
  };
  refuse(ErrorCode::limit_exceeded, "directory_bytes", with([](Limits& limits) { limits.directory_bytes = 20; }));
  refuse(ErrorCode::limit_exceeded, "tensors = 2", with([](Limits& limits) { limits.tensors = 2; }));
  refuse(ErrorCode::limit_exceeded, "records = 1", with([](Limits& limits) { limits.records = 1; }));
  refuse(ErrorCode::limit_exceeded, "name_bytes = 1", with([](Limits& limits) { limits.name_bytes = 1; }));
}

TEST_F(Shards, InMemoryAnIndexHasNoFolder) {
  expect_error(ErrorCode::unsupported, "open it by its path", [] { open_bytes(index_file({{"a", "one"}})); });
}

TEST_F(Shards, ADirectoryTellsWhatToOpen) {
  write_file(directory_ / "pytorch_model.bin.index.json", index_file({{"c", "two"}}));
  write_file(directory_ / "config.json", R"({"weight_map": "none"})");
  expect_error(ErrorCode::io, "several indexes of shards; open one of them: 'model.safetensors.index.json', "
               "'pytorch_model.bin.index.json'", [&] { Checkpoint::open(directory_.path()); });
  std::filesystem::remove(directory_ / kIndex);
  EXPECT_EQ(Checkpoint::open(directory_.path()).entries().size(), 1U);
  std::filesystem::rename(directory_ / "pytorch_model.bin.index.json", directory_ / "other.json");
  EXPECT_EQ(Checkpoint::open(directory_.path()).entries().size(), 1U);
  std::filesystem::remove(directory_ / "other.json");
  expect_error(ErrorCode::io, "open one of its checkpoint files: 'one', 'two'", [&] { Checkpoint::open(directory_.path()); });
  for (const char* name : {"one", "two"}) std::filesystem::remove(directory_ / name);
  expect_error(ErrorCode::io, "there is: 'config.json'", [&] { Checkpoint::open(directory_.path()); });
  std::filesystem::remove(directory_ / "config.json");
  expect_error(ErrorCode::io, "the directory is empty", [&] { Checkpoint::open(directory_.path()); });
}

}  // namespace
}  // namespace torchferry::testing
