#include <gtest/gtest.h>

#include <cstring>

#include "io/error_of.h"
#include "io/temp_file.h"
#include "table/pickle_text.h"

// Elements and storages without libtorch: what a reader gets of the bytes in the file.

namespace torchferry::testing {
namespace {

std::vector<float> elements(const Checkpoint& checkpoint, std::size_t entry, std::uint64_t first, std::size_t count) {
  std::vector<float> values(count);
  const TensorRow& row = checkpoint.table().tensors()[checkpoint.entries()[entry].tensor];
  checkpoint.read_elements(row, first, std::as_writable_bytes(std::span(values)));
  return values;
}

TEST(BytesTest, HandsOutAContiguousTensorInPlace) {
  const Checkpoint checkpoint = open_content(tensor({.offset = 2, .size = {2, 2}, .stride = {2, 1}}));
  const Checkpoint::Bytes bytes = checkpoint.bytes(checkpoint.table().tensors()[0]);
  ASSERT_EQ(bytes.bytes.size(), 16u);
  EXPECT_EQ(0, std::memcmp(bytes.bytes.data(), floats(6).data() + 8, 16));
}

TEST(BytesTest, WalksStridesInRowMajorOrder) {
  const Checkpoint checkpoint = open_content(list({tensor({.size = {3, 2}, .stride = {1, 3}}),
                                                   tensor({.offset = 4, .size = {3}, .stride = {0}}),
                                                   tensor({.size = {0, 3}, .stride = {3, 1}})}));
  EXPECT_EQ(elements(checkpoint, 0, 0, 6), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(elements(checkpoint, 0, 3, 2), (std::vector<float>{4, 2}));
  EXPECT_EQ(elements(checkpoint, 1, 0, 3), (std::vector<float>{4, 4, 4}));
  EXPECT_EQ(elements(checkpoint, 2, 0, 0), (std::vector<float>{}));
  expect_error(ErrorCode::unsupported, "read its elements instead", [&] { checkpoint.bytes(checkpoint.table().tensors()[0]); });
  expect_error(ErrorCode::invalid_argument, "beyond the end", [&] { elements(checkpoint, 0, 5, 2); });
}

TEST(BytesTest, ResolvesConjugateAndNegativeBits) {
  const auto complex_of = [](const char* flag) {
    return open_content(tensor({.numel = 3, .size = {3}, .type = "ComplexFloatStorage", .metadata = dict({{str(flag), boolean(true)}})}));
  };
  EXPECT_EQ(elements(complex_of("conj"), 0, 0, 6), (std::vector<float>{0, -1, 2, -3, 4, -5}));
  EXPECT_EQ(elements(complex_of("neg"), 0, 0, 6), (std::vector<float>{-0.0f, -1, -2, -3, -4, -5}));
  const Checkpoint real = open_content(tensor({.offset = 1, .size = {3}, .stride = {2}, .metadata = dict({{str("neg"), boolean(true)}})}));
  EXPECT_EQ(elements(real, 0, 0, 3), (std::vector<float>{-1, -3, -5}));
}

TEST(BytesTest, BigEndianFilesAreReadByTheTensorsType) {
  std::string swapped = floats(6);
  for (std::size_t i = 0; i < swapped.size(); i += 4) std::reverse(swapped.begin() + static_cast<long>(i), swapped.begin() + static_cast<long>(i) + 4);
  const Checkpoint checkpoint = open_bytes(archive(tensor({.offset = 1, .size = {5}}), {{"0", swapped}}, "big"));
  EXPECT_EQ(elements(checkpoint, 0, 0, 5), (std::vector<float>{1, 2, 3, 4, 5}));
  EXPECT_FALSE(checkpoint.table().storages()[0].mappable());
  expect_error(ErrorCode::corrupt, "Unknown endianness type: middle",
               [] { open_bytes(archive(tensor({}), {{"0", floats(6)}}, "middle")); });
}

TEST(BytesTest, ViewsOfDifferentWidthInABigEndianStorageAreToldNotGuessed) {
  const auto v3 = [](const char* dtype, std::int64_t count) {
    return call(global("torch._utils", "_rebuild_tensor_v3"), {storage("UntypedStorage", "0", "cpu", 24), num(0), ints({count}),
                                                               ints({1}), boolean(false), ordered_dict(), global("torch", dtype)});
  };
  const Checkpoint checkpoint = open_bytes(archive(list({v3("uint16", 12), v3("uint32", 6)}), {{"0", floats(6)}}, "big"));
  const TensorTable& table = checkpoint.table();
  EXPECT_TRUE(table.unsupported(table.tensors()[0]).empty());
  EXPECT_FALSE(table.unsupported(table.tensors()[1]).empty());
}

TEST(BytesTest, InflatesAndVerifies) {
  ZipBuilder zip;
  zip.add("a/data.pkl", "\x80\x02" + tensor({.size = {3}, .stride = {2}}) + ".");
  zip.add_deflated("a/data/0", floats(6));
  zip.add("a/version", "3\n");
  const Checkpoint checkpoint = open_bytes(zip.bytes());
  EXPECT_EQ(elements(checkpoint, 0, 0, 3), (std::vector<float>{0, 2, 4}));
  std::string all(24, '\0');
  checkpoint.read_storage(checkpoint.table().storages()[0], std::as_writable_bytes(std::span(all)), true);
  EXPECT_EQ(all, floats(6));
}

TEST(BytesTest, ADamagedPayloadIsToldWhenAsked) {
  ZipBuilder zip;
  zip.add("a/data.pkl", "\x80\x02" + tensor({}) + ".");
  zip.add(ZipEntry{.name = "a/data/0", .payload = floats(6), .crc = 12345});
  zip.add("a/version", "3\n");
  const Checkpoint checkpoint = open_bytes(zip.bytes());
  const StorageRow& row = checkpoint.table().storages()[0];
  std::string all(24, '\0');
  checkpoint.read_storage(row, std::as_writable_bytes(std::span(all)), false);
  const Error error = error_of([&] { checkpoint.read_storage(row, std::as_writable_bytes(std::span(all)), true); });
  EXPECT_EQ(error.code(), ErrorCode::corrupt);
  EXPECT_EQ(error.record(), "a/data/0");
}

TEST(BytesTest, MemoryOfTheHostProgramIsUsedInPlaceAndThenReleased) {
  auto memory = std::make_shared<const std::string>(archive(tensor({}), {{"0", floats(6)}}));
  const std::weak_ptr<const std::string> watched = memory;
  const char* const begin = memory->data();
  const char* const end = begin + memory->size();
  auto checkpoint = std::make_unique<Checkpoint>(Checkpoint::open(as_bytes(*memory), memory, "the host's memory"));
  memory.reset();
  EXPECT_EQ(checkpoint->name(), "the host's memory");
  Checkpoint::Bytes bytes = checkpoint->bytes(checkpoint->table().tensors()[0]);
  const auto* const first = reinterpret_cast<const char*>(bytes.bytes.data());
  EXPECT_TRUE(begin <= first && first + bytes.bytes.size() <= end);
  checkpoint.reset();
  EXPECT_FALSE(watched.expired()) << "its bytes are in use";
  bytes = {};
  EXPECT_TRUE(watched.expired());
  const Error refused =
      error_of([] { Checkpoint::open(as_bytes(std::string_view("no checkpoint")), nullptr, "the host's memory"); });
  EXPECT_EQ(refused.file(), "the host's memory");
}

TEST(BytesTest, TheArchiveMustBeOne) {
  const auto zip_with = [](std::vector<std::pair<std::string, std::string>> records) {
    ZipBuilder zip;
    for (const auto& [name, bytes] : records) zip.add(name, bytes);
    return zip.bytes();
  };
  const std::string pickle = "\x80\x02" + dict({}) + ".";
  expect_error(ErrorCode::corrupt, "no record 'version'", [&] { open_bytes(zip_with({{"a/data.pkl", pickle}})); });
  expect_error(ErrorCode::unsupported, "version 11", [&] { open_bytes(zip_with({{"a/data.pkl", pickle}, {"a/version", "11\n"}})); });
  expect_error(ErrorCode::unsupported, "version 0", [&] { open_bytes(zip_with({{"a/data.pkl", pickle}, {"a/version", "0"}})); });
  expect_error(ErrorCode::corrupt, "is not a version", [&] { open_bytes(zip_with({{"a/data.pkl", pickle}, {"a/version", "abc"}})); });
  expect_error(ErrorCode::corrupt, "not a PyTorch checkpoint", [&] { open_bytes(zip_with({{"a/other", "x"}, {"a/version", "3"}})); });
  expect_error(ErrorCode::unsupported, "torch.package", [&] { open_bytes(zip_with({{"a/.data/extern_modules", "x"}})); });
  expect_error(ErrorCode::unsupported, "a torch.export archive (pt2)",
               [&] { open_bytes(zip_with({{"package/archive_format", "pt2"}, {"package/models/model.json", "{}"}})); });
  expect_error(ErrorCode::unsupported, "a package compiled by AOTInductor (pt2)", [&] {
    open_bytes(zip_with({{"m/archive_format", "pt2"}, {"m/data/aotinductor/model/x.wrapper.so", "x"}}));
  });
  expect_error(ErrorCode::unsupported, "NumPy arrays (.npz)", [&] { open_bytes(zip_with({{"w.npy", "x"}, {"b.npy", "x"}})); });
  expect_error(ErrorCode::unsupported, "with a checkpoint in it", [&] { open_bytes(zip_with({{"a/net.pth", "x"}})); });
  expect_error(ErrorCode::unsupported, "Keras", [&] { open_bytes(zip_with({{"a/model.weights.h5", "x"}})); });
  expect_error(ErrorCode::corrupt, "without 'a/data.pkl'", [&] { open_bytes(zip_with({{"a/readme.txt", "x"}})); });
  expect_error(ErrorCode::unsupported, "model.json", [&] { open_bytes(zip_with({{"a/model.json", "{}"}})); });
  EXPECT_EQ(open_bytes(zip_with({{"a/data.pkl", pickle}, {"a/version", "3\n"}, {"a/constants.pkl", "x"}})).format(),
            Format::torchscript);
  expect_error(ErrorCode::corrupt, "not a PyTorch checkpoint", [] { open_bytes("hello"); });
  expect_error(ErrorCode::corrupt, "not a PyTorch checkpoint", [] { open_bytes(""); });
}

}  // namespace
}  // namespace torchferry::testing
