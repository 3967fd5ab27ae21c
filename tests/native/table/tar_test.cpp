#include <gtest/gtest.h>

#include "io/error_of.h"
#include "table/tar_pickles.h"

// The tar format of PyTorch 0.1: storages and tensors are listed by keys, and the object refers to them.

namespace torchferry::testing {
namespace {

std::vector<float> elements(const Checkpoint& checkpoint, std::size_t entry, std::size_t count) {
  std::vector<float> values(count);
  checkpoint.read_elements(checkpoint.table().tensors()[checkpoint.entries()[entry].tensor], 0,
                           std::as_writable_bytes(std::span(values)));
  return values;
}

void expect_refused(ErrorCode code, const char* words, const TarFile& file, const Limits& limits = {}) {
  OpenOptions options;
  options.limits = limits;
  expect_error(code, words, [&] { open_bytes(file.bytes(), options); });
}

TEST(Tar, ReadsTensorsByTheirKeys) {
  TarFile file;
  file.storages[0].location = "cuda:1";
  file.tensors.push_back({.key = num(22), .sizes = {2}, .strides = {3}, .offset = 2});
  file.object = ordered_dict({{str("w"), str("21") + "Q"},
                              {str("again"), num(21) + "Q"},
                              {str("column"), str("22") + "Q"},
                              {str("epoch"), num(7)}});
  const Checkpoint checkpoint = open_bytes(file.bytes());
  EXPECT_EQ(checkpoint.format(), Format::tar);
  EXPECT_EQ(name(checkpoint.format()), "tar");
  EXPECT_EQ(keys_of(checkpoint.entries()), (std::vector<std::string>{"w", "again", "column"}));
  EXPECT_EQ(checkpoint.table().tensors().size(), 2u) << "two names of one key are one tensor";
  EXPECT_EQ(checkpoint.table().storages().size(), 1u);
  EXPECT_EQ(checkpoint.table().locations(), std::vector<std::string>{"cuda:1"});
  EXPECT_EQ(elements(checkpoint, 1, 6), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(elements(checkpoint, 2, 2), (std::vector<float>{2, 5}));
  const ValuePtr root = checkpoint.root();
  EXPECT_EQ(root->entries[2].second->kind, Value::Kind::tensor);
  EXPECT_EQ(root->entries[3].second->integer, 7);
}

TEST(Tar, ReadsPathsParametersAndModules) {
  TarFile file;
  const auto variable = [](const char* module, const char* name, const Pickle& flag) {
    return with_state(call(global(module, name), {str("21") + "Q"}), tuple({flag, boolean(false), ordered_dict()}));
  };
  const Pickle parameters =
      ordered_dict({{str("w"), variable("torch.nn.parameter", "Parameter", boolean(true))},
                    {str("v"), variable("torch.autograd.variable", "Variable", boolean(false))}});
  const Pickle type = tuple({global("models", "Net"), str("net.py"), str("class Net: …")}) + "Q";
  file.object = dict({{str("model"), with_state(make(type, {}), dict({{str("_parameters"), parameters},
                                                                      {str("_modules"), ordered_dict()}}))}});
  const Checkpoint checkpoint = open_bytes(file.bytes());
  EXPECT_EQ(keys_of(checkpoint.entries()), (std::vector<std::string>{"model.w", "model.v"}));
  const auto& rows = checkpoint.table().tensors();
  EXPECT_TRUE(rows[0].parameter);
  EXPECT_TRUE(rows[0].requires_grad);
  EXPECT_FALSE(rows[1].parameter);
  EXPECT_FALSE(rows[1].requires_grad);
  EXPECT_EQ(rows[0].storage, rows[1].storage);
  EXPECT_EQ(checkpoint.opaque_globals(), std::vector<std::string>{"models.Net"});
  const std::vector<std::string> path{"model"};
  EXPECT_EQ(keys_of(checkpoint.entries(path)), (std::vector<std::string>{"w", "v"}));
}

TEST(Tar, HonoursViewsOfStorages) {
  TarFile file;
  file.views = {tuple({num(12), num(11), num(2), num(4)}), tuple({num(13), num(12), num(1), num(2)})};
  file.tensors = {{.storage = num(13), .sizes = {2}, .strides = {1}}};
  EXPECT_EQ(elements(open_bytes(file.bytes()), 0, 2), (std::vector<float>{3, 4}));
  file.tensors[0].sizes = {3};
  expect_refused(ErrorCode::corrupt, "in its part", file);
  file.tensors[0] = {.storage = num(13), .sizes = {1}, .strides = {1}, .offset = -1};
  expect_refused(ErrorCode::corrupt, "storage offset of -1", file);
  file.tensors[0].offset = INT64_MAX;
  expect_refused(ErrorCode::corrupt, "storage offset", file);
  for (const auto& [first, count] : {std::pair{5, 2}, {-1, 2}, {0, -1}, {7, 0}}) {
    file.views = {tuple({num(13), num(11), num(first), num(count)})};
    expect_refused(ErrorCode::corrupt, "outside its storage", file);
  }
  file.views = {tuple({num(13), num(99), num(0), num(1)})};
  expect_refused(ErrorCode::corrupt, "storage that is not there", file);
}

TEST(Tar, KeepsAStorageThatStandsAlone) {
  TarFile file;
  file.object = dict({{str("s"), str("11") + "Q"}, {str("w"), str("21") + "Q"}});
  const Checkpoint checkpoint = open_bytes(file.bytes());
  EXPECT_EQ(keys_of(checkpoint.entries()), std::vector<std::string>{"w"});
  EXPECT_EQ(checkpoint.root()->entries[0].second->class_name, "persistent_id");
}

TEST(Tar, RefusesWhatDoesNotFit) {
  const TarFile good;
  TarFile file = good;
  file.storages[0].count = 7;
  expect_refused(ErrorCode::corrupt, "", file);
  file.storages[0].count = std::uint64_t{1} << 62;
  expect_refused(ErrorCode::corrupt, "elements", file);
  file.storages[0].count = ~std::uint64_t{0};
  expect_refused(ErrorCode::corrupt, "of -1 elements", file);
  file.storages[0].count = 1 << 20;
  expect_refused(ErrorCode::corrupt, "passes the end of its member", file);
  file = good;
  file.storages[0].type = "Module";
  expect_refused(ErrorCode::unsupported, "unknown storage class", file);
  file = good;
  file.storages.push_back({});
  expect_refused(ErrorCode::corrupt, "twice", file);
  file = good;
  file.tensors[0].storage = num(99);
  expect_refused(ErrorCode::corrupt, "storage that is not there", file);
  file = good;
  file.tensors[0].sizes = {2, 4};
  expect_refused(ErrorCode::corrupt, "needs 28 bytes", file);
  file.tensors[0].sizes = {-1, 3};
  expect_refused(ErrorCode::corrupt, "negative size", file);
  file = good;
  file.object = str("99") + "Q";
  expect_refused(ErrorCode::corrupt, "neither a tensor nor a storage '99'", file);
  file = good;
  file.more_storage_bytes = "x";
  expect_refused(ErrorCode::corrupt, "belong to nothing", file);
  file = good;
  file.more_tensor_bytes = "x";
  expect_refused(ErrorCode::corrupt, "belong to nothing", file);
  expect_error(ErrorCode::corrupt, "without 'storages'",
               [&] { open_bytes(tar_member("pickle", TarFile::whole(good.object)) + tar_end()); });
}

TEST(Tar, NamesTheLimit) {
  Limits limits;
  limits.tensors = 0;
  expect_refused(ErrorCode::limit_exceeded, "tensors = 0", TarFile(), limits);
  limits = {};
  limits.dimensions = 1;
  expect_refused(ErrorCode::limit_exceeded, "dimensions = 1", TarFile(), limits);
  limits = {};
  limits.records = 3;
  expect_refused(ErrorCode::limit_exceeded, "records = 3", TarFile(), limits);
  limits = {};
  limits.pickle_bytes = 8;
  expect_refused(ErrorCode::limit_exceeded, "pickle_bytes = 8", TarFile(), limits);
}

TEST(Tar, ErrorsNameMemberAndOffset) {
  TarFile file;
  file.tensors[0].storage = num(99);
  const Error error = error_of([&] { open_bytes(file.bytes()); });
  EXPECT_EQ(error.record(), "tensors");
  EXPECT_TRUE(error.offset().has_value());
  file = {};
  file.object = "\xff";
  EXPECT_EQ(error_of([&] { open_bytes(file.bytes()); }).record(), "pickle");
}

}  // namespace
}  // namespace torchferry::testing
