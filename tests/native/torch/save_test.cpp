// What is saved comes back bit by bit, through our own reader; tests/interop/check_saved.py asks PyTorch.

#include <torchferry/save.h>

#include <ATen/core/Tensor.h>
#include <ATen/ops/_efficientzerotensor.h>
#include <ATen/ops/_nested_tensor_from_tensor_list.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/complex.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/imag.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/quantize_per_channel.h>
#include <ATen/ops/quantize_per_tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torchferry/checkpoint.h>
#include <torchferry/error.h>
#include <torchferry/stock_libtorch.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "io/error_of.h"
#include "io/temp_file.h"
#include "torch/compound.h"
#include "torch/loading.h"
#include "torch/views.h"

namespace torchferry::testing {
namespace {

using namespace std::string_literals;
using Items = std::vector<std::pair<std::string, at::Tensor>>;

constexpr int kDTypeNumbers = 46;

at::Tensor floats(std::int64_t count) { return at::arange(count, c10::kFloat); }

/// A storage of bytes that look like nothing in particular, viewed as a dtype.
at::Tensor noise(DType dtype, std::int64_t items) {
  const auto bytes = items * static_cast<std::int64_t>(itemsize(dtype));
  at::Tensor raw = at::empty({bytes}, c10::kByte);
  auto* const data = raw.mutable_data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i < bytes; ++i) {
    data[i] = static_cast<std::uint8_t>((i + 1) * 2'654'435'761 >> (dtype == DType::boolean ? 31 : 11));
    if (dtype == DType::boolean) data[i] &= 1;
  }
  return view_on(raw.storage(), c10::ScalarType(static_cast<int>(dtype)), {items}, {1}, 0);
}

std::string storage_bytes(const at::Tensor& tensor) {
  const c10::Storage& storage = tensor.storage();
  return {static_cast<const char*>(storage.data()), storage.nbytes()};
}

void expect_same_part(const at::Tensor& saved, const at::Tensor& loaded) {
  EXPECT_EQ(saved.scalar_type(), loaded.scalar_type());
  EXPECT_EQ(saved.sizes(), loaded.sizes());
  EXPECT_EQ(saved.strides(), loaded.strides());
  EXPECT_EQ(saved.storage_offset(), loaded.storage_offset());
  EXPECT_EQ(saved.is_conj(), loaded.is_conj());
  EXPECT_EQ(saved.is_neg(), loaded.is_neg());
  EXPECT_EQ(storage_bytes(saved), storage_bytes(loaded));
}

/// The same in every bit and every fact, component by component.
void expect_same(const at::Tensor& saved, const at::Tensor& loaded) {
  ASSERT_EQ(saved.layout(), loaded.layout());
  ASSERT_EQ(saved.is_nested(), loaded.is_nested());
  ASSERT_EQ(saved.is_quantized(), loaded.is_quantized());
  if (saved.is_nested()) {
    EXPECT_TRUE(at::equal(saved._nested_tensor_size(), loaded._nested_tensor_size()));
  } else {
    EXPECT_EQ(saved.sizes(), loaded.sizes());
  }
  const auto expected = components_of(saved);
  const auto actual = components_of(loaded);
  ASSERT_EQ(expected.size(), actual.size());
  ASSERT_FALSE(expected.empty());
  for (std::size_t i = 0; i < expected.size(); ++i) expect_same_part(expected[i], actual[i]);
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> names_in(const std::filesystem::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.insert(entry.path().filename());
  return names;
}

class Save : public ::testing::Test {
 protected:
  std::filesystem::path path() const { return folder_ / "model.pt"; }

  StateDict round_trip(const StateDict& state_dict, const SaveOptions& options = {}) const {
    save(state_dict, path(), options);
    OpenOptions strict;
    strict.weights_only = true;
    strict.verify_checksums = options.crc32;
    LoadOptions load;
    load.verify_checksums = options.crc32;
    return StateDict::load(Checkpoint::open(path(), strict), load);
  }
  StateDict round_trip(Items items, const SaveOptions& options = {}) const {
    return round_trip(StateDict::of(std::move(items)), options);
  }

  /// Saving fails with this, and nothing is there afterwards.
  void expect_refused(ErrorCode code, std::string_view words, const StateDict& state_dict,
                      const SaveOptions& options = {}) const {
    expect_error(code, words, [&] { save(state_dict, path(), options); });
    EXPECT_TRUE(names_in(folder_.path()).empty());
  }
  void expect_refused(ErrorCode code, std::string_view words, Items items,
                      const SaveOptions& options = {}) const {
    expect_refused(code, words, StateDict::of(std::move(items)), options);
  }

  TempDirectory folder_;
};

TEST_F(Save, EveryDtypeComesBackBitByBit) {
  Items items;
  for (int number = 0; number < kDTypeNumbers; ++number) {
    const auto dtype = dtype_numbered(number);
    if (!dtype || is_quantized(*dtype)) continue;
    const at::Tensor all = noise(*dtype, 24);
    const std::string name(torchferry::name(*dtype));
    items.emplace_back(name + ".all", all);
    items.emplace_back(name + ".part", view_on(all.storage(), all.scalar_type(), {2, 3}, {8, 2}, 3));
    items.emplace_back(name + ".scalar", view_on(noise(*dtype, 1).storage(), all.scalar_type(), {}, {}, 0));
    items.emplace_back(name + ".empty",
                       view_on(noise(*dtype, 0).storage(), all.scalar_type(), {0, 3}, {3, 1}, 0));
  }
  ASSERT_EQ(items.size(), 4U * 27);
  for (const bool ordered : {true, false}) {
    const StateDict loaded = round_trip(items, {.ordered_dict = ordered});
    ASSERT_EQ(loaded.size(), items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      SCOPED_TRACE(items[i].first);
      EXPECT_EQ(loaded.key(i), items[i].first);
      expect_same(items[i].second, loaded.tensor(i));
    }
  }
}

TEST_F(Save, QuantizedTensors) {
  const at::Tensor values = at::arange(32, c10::kFloat).sub(16).div(4).view({4, 8});
  const at::Tensor scales = at::arange(1, 5, c10::kDouble).div(8);
  const at::Tensor points = at::arange(4, c10::kLong);
  Items items;
  for (const auto type : {c10::kQInt8, c10::kQUInt8, c10::kQInt32}) {
    items.emplace_back(std::string("tensor ") + c10::toString(type),
                       at::quantize_per_tensor(values, 0.25, 3, type));
    items.emplace_back(std::string("channel ") + c10::toString(type),
                       at::quantize_per_channel(values, scales, points, 0, type));
  }
  items.emplace_back("transposed", items[0].second.t());
  for (const auto type : {c10::kQUInt4x2, c10::kQUInt2x4}) {
    items.emplace_back(std::string("packed ") + c10::toString(type),
                       at::quantize_per_tensor(values, 0.5, 1, type));
  }
  items.emplace_back("float_qparams", at::quantize_per_channel(values, scales.to(c10::kFloat),
                                                               points.to(c10::kFloat), 0, c10::kQUInt8));
  const StateDict loaded = round_trip(items);
  for (std::size_t i = 0; i < items.size(); ++i) {
    SCOPED_TRACE(items[i].first);
    expect_same(items[i].second, loaded.tensor(i));
    const Quantization saved = quantization_of(items[i].second);
    const Quantization back = quantization_of(loaded.tensor(i));
    EXPECT_EQ(saved.scheme, back.scheme);
    EXPECT_EQ(saved.scale, back.scale);
    EXPECT_EQ(saved.zero_point, back.zero_point);
    EXPECT_EQ(saved.axis, back.axis);
  }
  EXPECT_TRUE(share_storage(tensor_at(loaded, "transposed"), loaded.tensor(0)));
}

TEST_F(Save, SparseAndNestedTensors) {
  const at::Tensor dense = at::eye(4, 6);
  const std::int64_t numbers[] = {0, 0, 1, 2, 2, 0};
  const at::Tensor indices = at::from_blob(const_cast<std::int64_t*>(numbers), {2, 3}, c10::kLong).clone();
  const Items items = {
      {"coo", dense.to_sparse()},
      {"uncoalesced", sparse_coo(indices, floats(3), {2, 3}, false)},
      {"hybrid", sparse_coo(indices, floats(12).view({3, 4}), {2, 3, 4}, false)},
      {"csr", dense.to_sparse_csr()},
      {"csc", dense.to_sparse_csc()},
      {"bsr", dense.to_sparse_bsr({2, 2})},
      {"bsc", dense.to_sparse_bsc({2, 3})},
      {"nested", at::_nested_tensor_from_tensor_list({floats(3), floats(5)}, {}, {}, {}, {})},
      {"coo again", dense.mul(2).to_sparse()},
  };
  const StateDict loaded = round_trip(items);
  for (std::size_t i = 0; i < items.size(); ++i) {
    SCOPED_TRACE(items[i].first);
    expect_same(items[i].second, loaded.tensor(i));
    if (items[i].second.layout() == c10::kSparse) {
      EXPECT_EQ(items[i].second.is_coalesced(), loaded.tensor(i).is_coalesced());
    }
  }
}

TEST_F(Save, MetaTensorsHaveNoBytes) {
  const auto meta = c10::TensorOptions().device(c10::kMeta);
  const StateDict loaded = round_trip({{"huge", at::empty({1 << 20, 1 << 20}, meta.dtype(c10::kBFloat16))},
                                       {"transposed", at::empty({4, 6}, meta).t()},
                                       {"real", floats(3)}});
  EXPECT_TRUE(loaded.tensor(0).is_meta());
  EXPECT_EQ(loaded.tensor(0).sizes(), (std::vector<std::int64_t>{1 << 20, 1 << 20}));
  EXPECT_EQ(loaded.tensor(0).scalar_type(), c10::kBFloat16);
  EXPECT_EQ(loaded.tensor(1).strides(), (std::vector<std::int64_t>{1, 6}));
  EXPECT_LT(std::filesystem::file_size(path()), 4'096U);
}

TEST_F(Save, ConjugateAndNegativeBitsStayLazy) {
  const at::Tensor z = at::complex(floats(4), floats(4).add(0.5));
  const at::Tensor negative = z.conj().slice(0, 1);
  const Items items = {{"z", z}, {"conj", z.conj()}, {"imag", at::imag(z.conj())}, {"part", negative}};
  ASSERT_TRUE(items[2].second.is_neg());
  const StateDict loaded = round_trip(items);
  for (std::size_t i = 0; i < items.size(); ++i) {
    SCOPED_TRACE(items[i].first);
    expect_same(items[i].second, loaded.tensor(i));
    EXPECT_TRUE(at::equal(items[i].second.clone(), loaded.tensor(i).clone()));
    EXPECT_TRUE(share_storage(loaded.tensor(0), loaded.tensor(i)));
  }
}

TEST_F(Save, SharedStoragesAreSavedOnce) {
  const at::Tensor base = floats(1'000'000);
  const StateDict loaded = round_trip({{"base", base},
                                       {"tied", base},
                                       {"same", base.detach()},
                                       {"row", base.view({1'000, 1'000})[7]},
                                       {"column", base.view({1'000, 1'000}).select(1, 7)},
                                       {"expanded", base[5].expand({3, 3})},
                                       {"own", floats(4)}});
  EXPECT_LT(std::filesystem::file_size(path()), 4'010'000U);
  for (std::size_t i = 1; i < 6; ++i)
    EXPECT_TRUE(share_storage(loaded.tensor(0), loaded.tensor(i))) << loaded.key(i);
  EXPECT_FALSE(share_storage(loaded.tensor(0), loaded.tensor(6)));
  EXPECT_TRUE(loaded.tensor(0).is_same(loaded.tensor(1))) << "one object stays one";
  EXPECT_FALSE(loaded.tensor(0).is_same(loaded.tensor(2)));
  EXPECT_EQ(loaded.tensor(3).storage_offset(), 7'000);
  EXPECT_EQ(loaded.tensor(4).strides(), (std::vector<std::int64_t>{1'000}));
  EXPECT_EQ(loaded.tensor(5).strides(), (std::vector<std::int64_t>{0, 0}));
}

TEST_F(Save, OneStorageMayHaveSeveralDtypes) {
  const at::Tensor base = noise(DType::float32, 8);
  const Items items = {{"float32", base},
                       {"int16", view_on(base.storage(), c10::kShort, {4, 4}, {4, 1}, 0)},
                       {"float8", view_on(base.storage(), c10::ScalarType::Float8_e5m2, {5}, {3}, 7)},
                       {"odd", view_on(noise(DType::uint8, 10).storage(), c10::kFloat, {2}, {1}, 0)}};
  const StateDict loaded = round_trip(items);
  for (std::size_t i = 0; i < items.size(); ++i) {
    SCOPED_TRACE(items[i].first);
    expect_same(items[i].second, loaded.tensor(i));
  }
  EXPECT_TRUE(share_storage(loaded.tensor(0), loaded.tensor(2)));
}

TEST_F(Save, ASmallViewOfALargeStorage) {
  const at::Tensor base = floats(100'000);
  const at::Tensor matrix = base.view({100, 1'000});
  const Items items = {{"row", matrix[3]},
                       {"overlap", matrix.view({-1}).slice(0, 3'500, 4'500)},
                       {"column", matrix.select(1, 5)},
                       {"last", base.slice(0, 99'990)},
                       {"empty", base.slice(0, 7, 7)},
                       {"bytes", view_on(base.storage(), c10::kByte, {3}, {1}, 399'961)}};
  expect_same(items[0].second, round_trip(items).tensor(0));
  EXPECT_GT(std::filesystem::file_size(path()), 400'000U);

  SaveOptions compact;
  compact.compact = true;
  for (const Items& some :
       {items, Items{items[0], items[1]}, Items{items[2]}, Items{items[3], items[5]}, Items{items[4]}}) {
    const StateDict loaded = round_trip(some, compact);
    for (std::size_t i = 0; i < some.size(); ++i) {
      EXPECT_EQ(loaded.key(i), some[i].first);
      EXPECT_EQ(loaded.tensor(i).scalar_type(), some[i].second.scalar_type());
      EXPECT_EQ(loaded.tensor(i).sizes(), some[i].second.sizes());
      EXPECT_TRUE(at::equal(loaded.tensor(i), some[i].second)) << some[i].first;
    }
  }
  // Two overlapping rows: 1,500 floats, still views of one storage.
  const StateDict rows = round_trip({items[0], items[1]}, compact);
  EXPECT_TRUE(share_storage(rows.tensor(0), rows.tensor(1)));
  EXPECT_EQ(rows.tensor(0).storage().nbytes(), 1'500 * sizeof(float));
  EXPECT_EQ(rows.tensor(1).storage_offset(), 500);
  // A column on its own: without the other columns.
  const StateDict column = round_trip({items[2]}, compact);
  EXPECT_EQ(column.tensor(0).storage().nbytes(), 100 * sizeof(float));
  EXPECT_TRUE(column.tensor(0).is_contiguous());
  // What fills its storage is saved as it is.
  const StateDict whole = round_trip({{"t", matrix.t()}, {"expanded", floats(1).expand({50})}}, compact);
  expect_same(matrix.t(), whole.tensor(0));
  EXPECT_EQ(whole.tensor(1).storage().nbytes(), sizeof(float));
}

TEST_F(Save, CompactKeepsFlagsAndQuantizers) {
  const at::Tensor z = at::complex(floats(100), floats(100));
  const at::Tensor quantized = at::quantize_per_channel(
      floats(400).view({20, 20}), at::ones({20}, c10::kDouble), at::zeros({20}, c10::kLong), 1, c10::kQInt8);
  SaveOptions compact;
  compact.compact = true;
  const at::Tensor conj = z.conj().slice(0, 10, 50, 7);
  const StateDict loaded = round_trip({{"conj", conj}}, compact);
  EXPECT_TRUE(loaded.tensor(0).is_conj());
  EXPECT_EQ(loaded.tensor(0).storage().nbytes(), 6 * sizeof(c10::complex<float>));
  EXPECT_TRUE(at::equal(loaded.tensor(0).clone(), conj.clone()));
  const at::Tensor columns = quantized.slice(0, 3, 5);
  const StateDict part = round_trip({{"columns", columns}}, compact);
  EXPECT_TRUE(at::equal(part.tensor(0).int_repr(), columns.int_repr()));
  EXPECT_EQ(part.tensor(0).q_per_channel_axis(), 1);
}

TEST_F(Save, ParametersAndGradients) {
  at::Tensor weight = floats(3);
  weight.set_requires_grad(true);
  const at::Tensor frozen = floats(2);
  const StateDict module =
      StateDict::of({{"weight", weight}, {"frozen", frozen}, {"again", weight}, {"buffer", weight}},
                    {true, true, true, false});
  const StateDict plain = round_trip(module);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_FALSE(plain.is_parameter(i));
    EXPECT_FALSE(plain.tensor(i).requires_grad());
  }
  SaveOptions keep;
  keep.keep_parameters = true;
  const StateDict kept = round_trip(module, keep);
  EXPECT_TRUE(kept.is_parameter(0) && kept.is_parameter(1) && kept.is_parameter(2) && !kept.is_parameter(3));
  EXPECT_TRUE(kept.tensor(0).requires_grad());
  EXPECT_FALSE(kept.tensor(1).requires_grad());
  EXPECT_FALSE(kept.tensor(3).requires_grad());
  EXPECT_TRUE(kept.tensor(0).is_same(kept.tensor(2)));
  EXPECT_TRUE(share_storage(kept.tensor(0), kept.tensor(3)));
}

TEST_F(Save, ModuleVersionsKeepTheirOrder) {
  const StateDict plain = StateDict::of({{"0.weight", floats(3)}});
  const std::size_t all[] = {0};
  const ModuleVersions versions = {{"", 1}, {"10", 2}, {"0.\xE6\xA8\xA1", std::int64_t{1} << 40}, {"0", 3}};
  const StateDict versioned = plain.select(all, {}, versions);
  EXPECT_EQ(round_trip(versioned).versions(), versions);
  EXPECT_FALSE(round_trip(plain).has_metadata());
  EXPECT_FALSE(round_trip(versioned, {.ordered_dict = false}).has_metadata());
  const StateDict none = round_trip(plain.select(all, {}, ModuleVersions{}));
  EXPECT_TRUE(none.has_metadata());
  EXPECT_TRUE(none.versions().empty());
}

TEST_F(Save, KeysOfAllKinds) {
  const std::vector<std::string> keys = {"",
                                         "a.b",
                                         "sp ace",
                                         "na\xC3\xAFve",
                                         "\xF0\x9F\x94\xA5",
                                         "nul\0in"s,
                                         "lone \xED\xA0\x80",
                                         std::string(70'000, 'k'),
                                         "storage",
                                         "0",
                                         "cpu"};
  Items items;
  for (const std::string& key : keys) items.emplace_back(key, floats(2));
  const StateDict loaded = round_trip(items);
  ASSERT_EQ(loaded.size(), keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(loaded.key(i), keys[i]);
}

TEST_F(Save, SizesOfAllKinds) {
  for (const std::size_t count : {0U, 1U, 2U, 999U, 1'000U, 1'001U, 2'001U}) {
    Items items;
    for (std::size_t i = 0; i < count; ++i) items.emplace_back("k" + std::to_string(i), floats(1));
    const StateDict loaded = round_trip(items);
    ASSERT_EQ(loaded.size(), count);
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(loaded.key(i), "k" + std::to_string(i));
  }
  EXPECT_EQ(
      round_trip({{"huge stride", at::empty_strided({1}, {std::int64_t{1} << 40})}}).tensor(0).stride(0),
      std::int64_t{1} << 40);
}

TEST_F(Save, LibtorchsOwnReaderReadsAPlainDict) {
  at::Tensor parameter = floats(6).view({2, 3});
  const at::Tensor values = at::arange(8, c10::kFloat).view({2, 4});
  Items items = {{"a", parameter},
                 {"a tied", parameter},
                 {"view", parameter[1]},
                 {"half", parameter.to(c10::kHalf)},
                 {"conj", at::complex(floats(2), floats(2)).conj()},
                 {"large", at::empty_strided({1}, {std::int64_t{1} << 40})},
                 {"quantized", at::quantize_per_tensor(values, 0.5, 1, c10::kQInt8)},
                 {"channels", at::quantize_per_channel(values, at::ones({2}, c10::kDouble),
                                                       at::zeros({2}, c10::kLong), 0, c10::kQInt8)}};
  save(StateDict::of(items), path(), {.ordered_dict = false, .keep_parameters = true});
  EXPECT_EQ(stock_pickle_load(path().native()), items.size());
}

TEST_F(Save, AlignmentAndSumsAreOptions) {
  const Items items = {{"a", floats(1)}, {"b", noise(DType::uint8, 5'000)}, {"c", floats(3)}};
  for (const std::uint32_t alignment : {16U, 64U, 4'096U, 65'536U}) {
    for (const bool crc32 : {true, false}) {
      const StateDict loaded = round_trip(items, {.alignment = alignment, .crc32 = crc32});
      for (std::size_t i = 0; i < items.size(); ++i) expect_same(items[i].second, loaded.tensor(i));
      const Checkpoint saved = Checkpoint::open(path());
      for (const StorageRow& row : saved.table().storages()) {
        EXPECT_EQ(row.file_offset % alignment, 0U);
        EXPECT_EQ(row.crc32 != 0, crc32);
      }
    }
  }
  std::filesystem::remove(path());
  for (const std::uint32_t alignment : {0U, 1U, 8U, 48U, 131'072U}) {
    expect_refused(ErrorCode::invalid_argument, "power of two from 16 to 65536", items,
                   {.alignment = alignment});
  }
}

TEST_F(Save, TheSameTensorsGiveTheSameBytes) {
  const StateDict state_dict = StateDict::of({{"a", floats(100)}, {"b", floats(7)}});
  save(state_dict, path());
  const std::string first = content_of(path());
  save(state_dict, path());
  EXPECT_EQ(content_of(path()), first);
}

TEST_F(Save, TheArchivesRootIsNamedAsPyTorchNamesIt) {
  const std::pair<const char*, const char*> names[] = {{"model.v1.pt", "model.v1/"},
                                                       {"no extension", "no extension/"},
                                                       {".hidden", "archive/"},
                                                       {"mod\xC3\xA8le.pt", "archive/"}};
  for (const auto& [name, root] : names) {
    save(StateDict::of({{"a", floats(1)}}), folder_ / name);
    EXPECT_EQ(content_of(folder_ / name).find(root), 30U) << name;
    EXPECT_EQ(StateDict::load(Checkpoint::open(folder_ / name)).size(), 1U);
  }
}

TEST_F(Save, WhatTorchSaveHasNoFormForIsRefusedBeforeAnythingIsWritten) {
  at::Tensor freed = floats(10);
  freed.storage().unsafeGetStorageImpl()->set_nbytes(8);
  expect_refused(ErrorCode::unsupported, "tensor 'freed': its storage holds 8 bytes only",
                 {{"fine", floats(2)}, {"freed", freed}});
  expect_refused(ErrorCode::unsupported, "tensor 'zero'",
                 {{"zero", at::_efficientzerotensor({3}, c10::kFloat)}});
  const at::Tensor quantized = at::quantize_per_tensor(floats(4), 1, 0, c10::kQInt8);
  expect_refused(ErrorCode::unsupported, "tensor 'q': a quantized tensor shares its storage",
                 {{"q", quantized}, {"bytes", view_on(quantized.storage(), c10::kByte, {4}, {1}, 0)}});
  expect_refused(ErrorCode::unsupported, "tensor 'bits'",
                 {{"bits", view_on(noise(DType::uint8, 4).storage(), c10::ScalarType::UInt4, {4}, {1}, 0)}});
  expect_refused(ErrorCode::invalid_argument, "not UTF-8", {{"\xFF", floats(1)}});
}

TEST_F(Save, AFailedSaveLeavesTheOldFile) {
  save(StateDict::of({{"old", floats(3)}}), path());
  const std::string old = content_of(path());
  const StateDict replacement = StateDict::of({{"new", floats(1'000'000)}});
  SaveOptions cancelled;
  cancelled.progress = std::make_shared<Progress>();
  cancelled.progress->cancel = true;
  const Error error = error_of([&] { save(replacement, path(), cancelled); });
  EXPECT_EQ(error.code(), ErrorCode::cancelled);
  EXPECT_EQ(error.file(), path().native());
  EXPECT_EQ(content_of(path()), old);
  EXPECT_EQ(names_in(folder_.path()), std::set<std::string>{"model.pt"});
  expect_error(ErrorCode::io, "does not exist", [&] { save(replacement, folder_ / "absent/model.pt"); });
}

TEST_F(Save, ProgressCountsBytesOfTensors) {
  SaveOptions options;
  options.progress = std::make_shared<Progress>();
  const at::Tensor base = floats(3'000'000);
  save(StateDict::of({{"a", base}, {"b", base[0]}, {"c", floats(5)}}), path(), options);
  EXPECT_EQ(options.progress->total.load(), 12'000'020U);
  EXPECT_EQ(options.progress->done.load(), 12'000'020U);
}

TEST_F(Save, AFileMayBeReplacedByItsOwnTensors) {
  const at::Tensor values = noise(DType::float32, 1'000'000);
  save(StateDict::of({{"a", values}, {"b", values.slice(0, 5)}}), path());
  const StateDict mapped = StateDict::load(Checkpoint::open(path()));
  const std::size_t second[] = {1};
  save(mapped.select(second, {"renamed"}), path());
  EXPECT_EQ(storage_bytes(mapped.tensor(0)), storage_bytes(values)) << "the old mapping stays as it was";
  const StateDict again = StateDict::load(Checkpoint::open(path()));
  EXPECT_EQ(again.key(0), "renamed");
  expect_same(values.slice(0, 5), again.tensor(0));
}

}  // namespace
}  // namespace torchferry::testing
