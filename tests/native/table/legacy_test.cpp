#include <gtest/gtest.h>

#include <cstring>

#include "io/error_of.h"
#include "table/pickle_text.h"

// torch.save's legacy format: pickles one after the other, then the storages in the order of the key list.

namespace torchferry::testing {
namespace {

using namespace std::string_literals;

Pickle whole(const Pickle& content) { return "\x80\x02" + content + "."; }

struct Legacy {
  Pickle magic = whole("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"s);
  Pickle version = whole("M\xe9\x03"s);
  Pickle system = whole(dict({{str("protocol_version"), num(1001)}, {str("little_endian"), boolean(true)}}));
  Pickle object;
  std::vector<std::string> keys = {"94917606824160"};
  std::vector<std::pair<std::uint64_t, std::string>> storages = {{6, floats(6)}};

  std::string bytes() const {
    std::vector<Pickle> names;
    for (const std::string& key : keys) names.push_back(str(key));
    std::string file = magic + version + system + whole(object) + whole(list(names));
    for (const auto& [count, payload] : storages) {
      append_le(file, count, 8);
      file += payload;
    }
    return file;
  }
};

Pickle legacy_storage(std::string_view key = "94917606824160", std::int64_t numel = 6, const Pickle& view = none(),
                      std::string_view location = "cuda:0") {
  return tuple({str("storage"), global("torch", "FloatStorage"), str(key), str(location), num(numel), view}) + "Q";
}

Pickle legacy_tensor(const Pickle& storage, std::int64_t offset, std::vector<std::int64_t> size, std::vector<std::int64_t> stride) {
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              {storage, num(offset), ints(size), ints(stride), boolean(false), ordered_dict()});
}

std::vector<float> elements(const Checkpoint& checkpoint, std::size_t entry, std::size_t count) {
  std::vector<float> values(count);
  checkpoint.read_elements(checkpoint.table().tensors()[checkpoint.entries()[entry].tensor], 0,
                           std::as_writable_bytes(std::span(values)));
  return values;
}

TEST(LegacyTest, ReadsTensorsThatShareAStorage) {
  Legacy file;
  file.object = ordered_dict({{str("a"), legacy_tensor(legacy_storage(), 0, {2, 3}, {3, 1})},
                              {str("b"), legacy_tensor(legacy_storage(), 4, {2}, {1})}});
  const Checkpoint checkpoint = open_bytes(file.bytes());
  EXPECT_EQ(checkpoint.format(), Format::legacy);
  EXPECT_EQ(keys_of(checkpoint.entries()), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(checkpoint.table().locations(), std::vector<std::string>{"cuda:0"});
  EXPECT_EQ(checkpoint.table().storages().size(), 1u);
  EXPECT_EQ(elements(checkpoint, 0, 6), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(elements(checkpoint, 1, 2), (std::vector<float>{4, 5}));
}

TEST(LegacyTest, HonoursViewsOfStorages) {
  Legacy file;
  const Pickle view = tuple({str("view"), num(2), num(3)});
  file.object = legacy_tensor(legacy_storage("94917606824160", 6, view), 1, {2}, {1});
  const Checkpoint checkpoint = open_bytes(file.bytes());
  EXPECT_EQ(elements(checkpoint, 0, 2), (std::vector<float>{3, 4}));
  file.object = legacy_tensor(legacy_storage("94917606824160", 6, tuple({str("view"), num(5), num(3)})), 0, {1}, {1});
  expect_error(ErrorCode::corrupt, "outside its storage", [&] { open_bytes(file.bytes()); });
  file.object = legacy_tensor(legacy_storage("94917606824160", 6, tuple({str("view"), num(-1), num(3)})), 0, {1}, {1});
  expect_error(ErrorCode::corrupt, "view", [&] { open_bytes(file.bytes()); });
  for (const std::int64_t offset : {std::int64_t{-1}, INT64_MAX}) {
    file.object = legacy_tensor(legacy_storage("94917606824160", 6, view), offset, {1}, {1});
    expect_error(ErrorCode::corrupt, "storage offset of", [&] { open_bytes(file.bytes()); });
  }
  file.object = legacy_tensor(legacy_storage("94917606824160", 6, view), 1, {3}, {1});
  expect_error(ErrorCode::corrupt, "has 20 in its part", [&] { open_bytes(file.bytes()); });
}

TEST(LegacyTest, FollowsTheOrderOfTheKeyListAndStopsAtItsEnd) {
  Legacy file;
  file.object = list({legacy_tensor(legacy_storage("2", 1), 0, {1}, {1}), legacy_tensor(legacy_storage("10", 2), 0, {2}, {1})});
  file.keys = {"10", "2"};
  file.storages = {{2, floats(2)}, {1, floats(6).substr(20, 4)}};
  const Checkpoint checkpoint = open_bytes(file.bytes() + "another save follows");
  EXPECT_EQ(elements(checkpoint, 0, 1), std::vector<float>{5});
  EXPECT_EQ(elements(checkpoint, 1, 2), (std::vector<float>{0, 1}));
}

TEST(LegacyTest, StoragesAreLittleEndianWhateverTheMachineWas) {
  Legacy file;
  file.system = whole(dict({{str("protocol_version"), num(1001)}, {str("little_endian"), boolean(false)}}));
  file.object = legacy_tensor(legacy_storage(), 0, {6}, {1});
  EXPECT_EQ(elements(open_bytes(file.bytes()), 0, 2), (std::vector<float>{0, 1}));
}

TEST(LegacyTest, KnowsAModulesClassBehindItsSource) {
  Legacy file;
  const Pickle type = tuple({str("module"), global("models", "Net"), str("net.py"), str("class Net: …")}) + "Q";
  const Pickle parameters = ordered_dict({{str("w"), parameter(legacy_tensor(legacy_storage(), 0, {6}, {1}))}});
  file.object = with_state(make(type, {}), dict({{str("_parameters"), parameters}, {str("_modules"), ordered_dict()}}));
  const Checkpoint checkpoint = open_bytes(file.bytes());
  EXPECT_EQ(keys_of(checkpoint.entries()), std::vector<std::string>{"w"});
  EXPECT_EQ(checkpoint.opaque_globals(), std::vector<std::string>{"models.Net"});
}

TEST(LegacyTest, RefusesWhatDoesNotFit) {
  Legacy good;
  good.object = legacy_tensor(legacy_storage(), 0, {6}, {1});
  open_bytes(good.bytes());

  Legacy file = good;
  file.storages = {{5, floats(5)}};
  expect_error(ErrorCode::corrupt, "does not match expected size", [&] { open_bytes(file.bytes()); });
  file.storages = {{std::uint64_t{1} << 62, floats(6)}};
  expect_error(ErrorCode::corrupt, "passes the end of the file", [&] { open_bytes(file.bytes()); });
  file.storages = {{6, floats(5)}};
  expect_error(ErrorCode::corrupt, "passes the end of the file", [&] { open_bytes(file.bytes()); });
  file.storages = {};
  expect_error(ErrorCode::corrupt, "the file ends before storage", [&] { open_bytes(file.bytes()); });
  file = good;
  file.keys = {};
  expect_error(ErrorCode::corrupt, "is not in the file", [&] { open_bytes(file.bytes()); });
  file.keys = {"94917606824160", "94917606824160"};
  file.storages = {{6, floats(6)}, {6, floats(6)}};
  expect_error(ErrorCode::corrupt, "listed twice", [&] { open_bytes(file.bytes()); });
  file.keys = {"94917606824160", "7"};
  expect_error(ErrorCode::corrupt, "nothing refers to it", [&] { open_bytes(file.bytes()); });
  file = good;
  file.version = whole("M\xea\x03"s);
  expect_error(ErrorCode::unsupported, "Invalid protocol version: 1002", [&] { open_bytes(file.bytes()); });
}

std::string save_of(float first, const std::string& name) {
  Legacy file;
  file.object = dict({{str(name), legacy_tensor(legacy_storage(), 0, {2}, {1})}});
  file.storages = {{6, floats(6)}};
  std::memcpy(file.storages[0].second.data(), &first, sizeof first);
  return file.bytes();
}

OpenOptions nth(std::uint64_t index) {
  OpenOptions options;
  options.save_index = index;
  return options;
}

TEST(LegacyTest, SavesBehindEachOtherAreReachedByTheirNumber) {
  const std::string bytes = save_of(7, "a") + save_of(8, "b") + save_of(9, "c");
  for (std::uint64_t i = 0; i < 3; ++i) {
    const Checkpoint checkpoint = open_bytes(bytes, nth(i));
    EXPECT_EQ(keys_of(checkpoint.entries()), std::vector<std::string>{std::string(1, static_cast<char>('a' + i))});
    EXPECT_EQ(elements(checkpoint, 0, 1), std::vector<float>{7 + static_cast<float>(i)});
    EXPECT_EQ(checkpoint.save_count(), 3u);
  }
  expect_error(ErrorCode::invalid_argument, "there is no save 3: the file holds 3", [&] { open_bytes(bytes, nth(3)); });
  expect_error(ErrorCode::invalid_argument, "there is no save 1: the file holds 1",
               [&] { open_bytes(save_of(1, "a") + "anything", nth(1)); });
  expect_error(ErrorCode::invalid_argument, "only files in the legacy format",
               [&] { open_bytes(ZipBuilder().add("r/data.pkl", "N.").add("r/version", "3").bytes(), nth(1)); });
  EXPECT_EQ(open_bytes(save_of(1, "a") + "anything").save_count(), 1u);
}

TEST(LegacyTest, ADamagedSaveCountsAndHidesTheRest) {
  const std::string first = save_of(7, "a");
  const std::string second = save_of(8, "b");
  const std::string bytes = first + second.substr(0, second.size() - 4);
  EXPECT_EQ(open_bytes(bytes).save_count(), 2u);
  EXPECT_EQ(elements(open_bytes(bytes), 0, 1), std::vector<float>{7});
  const Error error = error_of([&] { open_bytes(bytes, nth(1)); });
  EXPECT_EQ(error.code(), ErrorCode::corrupt);
  EXPECT_NE(error.message().find("passes the end of the file"), std::string::npos) << error.what();
  EXPECT_GT(error.offset().value_or(0), first.size()) << "offsets count from the start of the file";
}

TEST(LegacyTest, SavesThatArePassedOverMayBeOfAnyDepth) {
  Legacy deep;
  deep.object = std::string(500, ']') + std::string(499, 'a');
  deep.keys = {};
  deep.storages = {};
  OpenOptions options = nth(1);
  options.limits.depth = 10;
  EXPECT_EQ(elements(open_bytes(deep.bytes() + save_of(8, "b"), options), 0, 1), std::vector<float>{8});
  options.save_index = 0;
  expect_error(ErrorCode::limit_exceeded, "depth", [&] { open_bytes(deep.bytes() + save_of(8, "b"), options); });
  options.limits.depth = 1000;
  EXPECT_EQ(open_bytes(deep.bytes() + save_of(8, "b"), options).save_count(), 2u);
}

TEST(LegacyTest, EveryCutIsATypedError) {
  Legacy file;
  file.object = dict({{str("a"), legacy_tensor(legacy_storage(), 0, {2, 3}, {3, 1})}});
  const std::string bytes = file.bytes();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Error error = error_of([&] { open_bytes(bytes.substr(0, size)); });
    EXPECT_TRUE(error.code() == ErrorCode::corrupt || error.code() == ErrorCode::unsupported) << size << ": " << error.what();
  }
}

TEST(LegacyTest, EveryChangedByteIsReadOrATypedError) {
  Legacy file;
  file.object = dict({{str("a"), legacy_tensor(legacy_storage(), 0, {2, 3}, {3, 1})}});
  const std::string bytes = file.bytes();
  int refused = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xFF}) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      try {
        open_bytes(changed).root();
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace torchferry::testing
