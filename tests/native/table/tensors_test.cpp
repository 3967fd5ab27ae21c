#include <gtest/gtest.h>

#include <numeric>

#include "io/error_of.h"
#include "table/pickle_text.h"

// Tensors out of a pickle: every rebuild function, and every way to lie about a view.

namespace torchferry::testing {
namespace {

const TensorRow& only_row(const Checkpoint& checkpoint) {
  EXPECT_EQ(checkpoint.entries().size(), 1u);
  return checkpoint.table().tensors()[checkpoint.entries()[0].tensor];
}

std::vector<std::int64_t> vec(std::span<const std::int64_t> values) { return {values.begin(), values.end()}; }

TEST(TensorsTest, ReadsAViewOfAStorage) {
  const Checkpoint checkpoint = open_content(dict({{str("a"), tensor({.offset = 1, .size = {2, 2}, .stride = {2, 1}})}}));
  const TensorRow& row = only_row(checkpoint);
  EXPECT_EQ(checkpoint.entries()[0].key, "a");
  EXPECT_EQ(row.dtype, DType::float32);
  EXPECT_EQ(row.storage_offset, 1);
  EXPECT_EQ(vec(checkpoint.table().sizes(row)), (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(vec(checkpoint.table().strides(row)), (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(checkpoint.table().nbytes(row), 16u);
  EXPECT_TRUE(checkpoint.table().is_contiguous(row));
  EXPECT_EQ(checkpoint.table().location(row), "cpu");
  const StorageRow& storage = checkpoint.table().storages()[row.storage];
  EXPECT_EQ(storage.nbytes, 24u);
  EXPECT_EQ(storage.file_offset % 64, 0u);
}

TEST(TensorsTest, ABareTensorHasTheEmptyKey) {
  const Checkpoint checkpoint = open_content(tensor({}));
  EXPECT_EQ(keys_of(checkpoint.entries()), std::vector<std::string>{""});
}

TEST(TensorsTest, TwoNamesOfOneTensorAreOneRowAndViewsShareTheStorageRow) {
  const Checkpoint checkpoint = open_content(dict({{str("a"), put(tensor({}), 1)},
                                                   {str("b"), get(1)},
                                                   {str("c"), tensor({.offset = 5, .size = {}, .stride = {}})}}));
  const auto& entries = checkpoint.entries();
  ASSERT_EQ(keys_of(entries), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(entries[0].tensor, entries[1].tensor);
  EXPECT_NE(entries[0].tensor, entries[2].tensor);
  EXPECT_EQ(checkpoint.table().storages().size(), 1u);
}

TEST(TensorsTest, KnowsParametersAndBuffersAndGradients) {
  const Pickle buffer =
      call(global("torch._tensor", "_rebuild_from_type_v2"),
           {global("torch._utils", "_rebuild_tensor_v2"), global("torch", "Tensor"),
            tuple({storage("FloatStorage", "0", "cpu", 6), num(0), ints({6}), ints({1}), boolean(false), ordered_dict()}),
            dict({{str("persistent"), boolean(true)}, {str("_is_buffer"), boolean(true)}})});
  const Checkpoint checkpoint =
      open_content(dict({{str("p"), parameter(tensor({}))}, {str("frozen"), parameter(tensor({}), false)}, {str("b"), buffer}}));
  const auto rows = checkpoint.table().tensors();
  const auto& entries = checkpoint.entries();
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_TRUE(rows[entries[0].tensor].parameter);
  EXPECT_TRUE(rows[entries[0].tensor].requires_grad);
  EXPECT_TRUE(rows[entries[1].tensor].parameter);
  EXPECT_FALSE(rows[entries[1].tensor].requires_grad);
  EXPECT_TRUE(rows[entries[2].tensor].buffer);
  EXPECT_FALSE(rows[entries[2].tensor].parameter);
  EXPECT_EQ(checkpoint.table().storages().size(), 1u);
}

TEST(TensorsTest, TheThirdRebuildFunctionTakesItsTypeFromItsArguments) {
  const Pickle v3 = call(global("torch._utils", "_rebuild_tensor_v3"),
                         {storage("UntypedStorage", "0", "cpu", 24), num(0), ints({12}), ints({1}), boolean(false),
                          ordered_dict(), global("torch", "uint16")});
  const Checkpoint checkpoint = open_content(v3);
  EXPECT_EQ(only_row(checkpoint).dtype, DType::uint16);
}

TEST(TensorsTest, KeepsConjugateAndNegativeBits) {
  const Checkpoint checkpoint = open_content(
      tensor({.numel = 3, .size = {3}, .type = "ComplexFloatStorage", .metadata = dict({{str("conj"), boolean(true)}})}));
  EXPECT_TRUE(only_row(checkpoint).conj);
  EXPECT_FALSE(only_row(checkpoint).neg);
  expect_error(ErrorCode::corrupt, "not complex",
               [] { open_content(tensor({.metadata = dict({{str("conj"), boolean(true)}})})); });
}

TEST(TensorsTest, ReadsTensorsOfPyTorchZeroPointThree) {
  const Pickle old = with_state(make(global("torch", "FloatTensor"), {}),
                                tuple({storage("FloatStorage", "0", "cpu", 6), num(2), ints({2, 2}), ints({2, 1})}));
  const Checkpoint checkpoint = open_content(list({old, parameter(old)}));
  EXPECT_EQ(keys_of(checkpoint.entries()), (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(checkpoint.table().tensors()[0].storage_offset, 2);
}

TEST(TensorsTest, MetaTensorsNeedNoStorage) {
  const Checkpoint checkpoint = open_content(call(global("torch._utils", "_rebuild_meta_tensor_no_storage"),
                                                  {global("torch", "float16"), ints({3, 4}), ints({4, 1}), boolean(false)}));
  EXPECT_EQ(only_row(checkpoint).storage, kNone);
  EXPECT_EQ(checkpoint.table().location(only_row(checkpoint)), "meta");
  EXPECT_EQ(only_row(checkpoint).numel, 12u);
}

TEST(TensorsTest, AWrapperSubclassIsRecognisedButHasNoData) {
  const Checkpoint checkpoint =
      open_content(dict({{str("w"), call(global("torch._utils", "_rebuild_wrapper_subclass"),
                                         {global("my.module", "Sub"), global("torch", "float32"), ints({2}), ints({1}), num(0),
                                          none(), str("cpu"), boolean(false)})},
                         {str("t"), tensor({})}}));
  ASSERT_EQ(checkpoint.entries().size(), 2u);
  EXPECT_NE(checkpoint.table().unsupported(checkpoint.table().tensors()[checkpoint.entries()[0].tensor]).find("my.module.Sub"),
            std::string_view::npos);
  EXPECT_TRUE(checkpoint.table().unsupported(checkpoint.table().tensors()[checkpoint.entries()[1].tensor]).empty());
}

TEST(TensorsTest, ReadsEveryStorageClass) {
  const std::vector<std::pair<std::string, DType>> classes = {
      {"ByteStorage", DType::uint8},       {"CharStorage", DType::int8},
      {"ShortStorage", DType::int16},      {"IntStorage", DType::int32},
      {"LongStorage", DType::int64},       {"HalfStorage", DType::float16},
      {"FloatStorage", DType::float32},    {"DoubleStorage", DType::float64},
      {"BoolStorage", DType::boolean},     {"BFloat16Storage", DType::bfloat16},
      {"ComplexHalfStorage", DType::complex32}, {"ComplexFloatStorage", DType::complex64},
      {"ComplexDoubleStorage", DType::complex128}, {"UInt16Storage", DType::uint16},
      {"UInt32Storage", DType::uint32},    {"UInt64Storage", DType::uint64},
      {"Float8_e4m3fnStorage", DType::float8_e4m3fn}, {"Float8_e5m2Storage", DType::float8_e5m2},
      {"Float8_e4m3fnuzStorage", DType::float8_e4m3fnuz}, {"Float8_e5m2fnuzStorage", DType::float8_e5m2fnuz},
      {"Float8_e8m0fnuStorage", DType::float8_e8m0fnu}, {"Float4_e2m1fn_x2Storage", DType::float4_e2m1fn_x2},
      {"Bits8Storage", DType::bits8},      {"Bits16Storage", DType::bits16},
      {"Bits1x8Storage", DType::bits1x8},  {"Bits2x4Storage", DType::bits2x4},
      {"Bits4x2Storage", DType::bits4x2},
  };
  for (const auto& [type, dtype] : classes) {
    const auto numel = static_cast<std::int64_t>(48 / itemsize(dtype));
    const Checkpoint checkpoint = open_content(tensor({.numel = numel, .size = {numel}, .type = type}), 12);
    EXPECT_EQ(only_row(checkpoint).dtype, dtype) << type;
  }
  expect_error(ErrorCode::unsupported, "torch.UnheardOfStorage", [] { open_content(tensor({.type = "UnheardOfStorage"})); });
}

struct Lie {
  const char* what;
  View view;
  const char* words;
};

TEST(TensorsTest, RefusesEveryViewThatLeavesItsStorage) {
  const std::int64_t big = std::int64_t{1} << 62;
  const std::vector<Lie> lies = {
      {"size beyond storage", {.size = {7}}, "needs 28 bytes"},
      {"offset beyond storage", {.offset = 6, .size = {1}}, "needs 28 bytes"},
      {"stride beyond storage", {.size = {2}, .stride = {6}}, "needs 28 bytes"},
      {"negative size", {.size = {-1}}, "negative size"},
      {"negative stride", {.size = {2}, .stride = {-1}}, "negative stride"},
      {"negative offset", {.offset = -1, .size = {1}}, "negative storage offset"},
      {"numel overflow", {.size = {big, 8}, .stride = {0, 0}}, "overflow"},
      {"bytes overflow", {.size = {big}, .stride = {0}}, "overflow"},
      {"reach overflow", {.size = {1 << 20}, .stride = {big}}, "more than 2^64"},
      {"too few strides", {.size = {2, 2}, .stride = {1}}, "2 sizes but 1 strides"},
      {"numel lies low", {.numel = 5}, "record size (24 bytes) does not match expected size (20 bytes)"},
      {"numel lies high", {.numel = 7}, "record size (24 bytes) does not match expected size (28 bytes)"},
      {"negative numel", {.numel = -1}, "-1 elements"},
      {"numel overflow", {.numel = std::int64_t{1} << 62}, "elements"},
      {"missing storage", {.key = "1"}, "storage '1' is not in the file"},
      {"path as key", {.key = "../data.pkl"}, "is not in the file"},
      {"grad of integers", {.numel = 3, .size = {3}, .type = "LongStorage", .requires_grad = true}, "can require gradients"},
  };
  for (const Lie& lie : lies) {
    SCOPED_TRACE(lie.what);
    const Error error = error_of([&] { open_content(dict({{str("t"), tensor(lie.view)}})); });
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_NE(std::string(error.what()).find(lie.words), std::string::npos) << error.what();
    EXPECT_EQ(error.file(), "test.pt");
    EXPECT_EQ(error.record(), "archive/data.pkl");
    EXPECT_TRUE(error.offset().has_value());
  }
}

TEST(TensorsTest, AcceptsWhatTorchAccepts) {
  open_content(tensor({.offset = 100, .size = {0, 5}, .stride = {5, 1}}));                         // empty: offset is free
  open_content(tensor({.offset = 5, .size = {std::int64_t{1} << 40}, .stride = {0}}));               // expanded
  open_content(tensor({.offset = 0, .size = {5, 2}, .stride = {1, 1}}));                             // overlapping
}

TEST(TensorsTest, RefusesMisshapenArguments) {
  const Pickle rebuild = global("torch._utils", "_rebuild_tensor_v2");
  for (const Pickle& content : {
           call(rebuild, {}),
           call(rebuild, {num(1), num(0), ints({1}), ints({1}), boolean(false), none()}),
           call(rebuild, {storage("FloatStorage", "0", "cpu", 6), str("0"), ints({1}), ints({1}), boolean(false), none()}),
           call(rebuild, {storage("FloatStorage", "0", "cpu", 6), num(0), num(1), ints({1}), boolean(false), none()}),
           call(rebuild, {storage("FloatStorage", "0", "cpu", 6), num(0), ints({1}), ints({1}), num(0), none()}),
           call(rebuild, {tuple({str("module"), num(1), str("0"), str("cpu"), num(6)}) + "Q", num(0), ints({1}), ints({1}),
                          boolean(false), none()}),
           call(rebuild, {str("0") + "Q", num(0), ints({1}), ints({1}), boolean(false), none()}),
           parameter(num(3)),
           global("torch._utils", "_rebuild_tensor_v2") + list({}) + "R",
       }) {
    EXPECT_EQ(error_of([&] { open_content(content); }).code(), ErrorCode::corrupt);
  }
}

TEST(TensorsTest, TwoLocationsOfOneStorageContradict) {
  expect_error(ErrorCode::corrupt, "two locations",
               [] { open_content(list({tensor({}), tensor({.location = "cuda:0"})})); });
}

TEST(TensorsTest, ListsSavedLocationsInOrder) {
  const Checkpoint checkpoint = open_bytes(archive(list({tensor({.location = "cuda:1"}), tensor({.key = "1", .location = "cpu"}),
                                                         tensor({.key = "2", .location = "cuda:1"})}),
                                                   {{"0", floats(6)}, {"1", floats(6)}, {"2", floats(6)}}));
  EXPECT_EQ(checkpoint.table().locations(), (std::vector<std::string>{"cuda:1", "cpu"}));
}

TEST(TensorsTest, QuantizedTensorsKeepTheirParameters) {
  const Pickle qtensor = call(global("torch._utils", "_rebuild_qtensor"),
                              {storage("QInt8Storage", "0", "cpu", 24), num(0), ints({4, 6}), ints({6, 1}),
                               tuple({global("torch", "per_tensor_affine"), real(0.5), num(3)}), boolean(false), ordered_dict()});
  const Checkpoint checkpoint = open_content(qtensor);
  EXPECT_EQ(only_row(checkpoint).qscheme, QScheme::per_tensor_affine);
  EXPECT_EQ(only_row(checkpoint).scale, 0.5);
  EXPECT_EQ(only_row(checkpoint).zero_point, 3);
}

TEST(TensorsTest, PerChannelParametersMustFitTheAxis) {
  const auto per_channel = [](std::int64_t axis, std::int64_t channels) {
    const Pickle scales = tensor({.key = "1", .numel = 4, .size = {channels}, .type = "DoubleStorage"});
    const Pickle zeros = tensor({.key = "1", .numel = 4, .size = {channels}, .type = "LongStorage"});
    return archive(call(global("torch._utils", "_rebuild_qtensor"),
                        {storage("QInt8Storage", "0", "cpu", 24), num(0), ints({4, 6}), ints({6, 1}),
                         tuple({global("torch", "per_channel_affine"), scales, zeros, num(axis)}), boolean(false),
                         ordered_dict()}),
                   {{"0", floats(6)}, {"1", floats(8)}});
  };
  const Checkpoint checkpoint = open_bytes(per_channel(0, 4));
  EXPECT_EQ(only_row(checkpoint).qscheme, QScheme::per_channel_affine);
  EXPECT_EQ(checkpoint.table().parts(only_row(checkpoint)).size(), 2u);
  expect_error(ErrorCode::corrupt, "out of range", [&] { open_bytes(per_channel(2, 4)); });
  expect_error(ErrorCode::corrupt, "length must equal", [&] { open_bytes(per_channel(0, 3)); });
}

TEST(TensorsTest, SparseTensorsAreMadeOfParts) {
  const Pickle indices = tensor({.key = "1", .numel = 3, .size = {1, 3}, .stride = {3, 1}, .type = "LongStorage"});
  const Pickle values = tensor({.size = {3}});
  const Pickle layout = call(global("torch.serialization", "_get_layout"), {str("torch.sparse_coo")});
  const Checkpoint checkpoint =
      open_bytes(archive(call(global("torch._utils", "_rebuild_sparse_tensor"),
                              {layout, tuple({indices, values, call(global("torch", "Size"), {ints({10})}), boolean(true)})}),
                         {{"0", floats(6)}, {"1", floats(6)}}));
  const TensorRow& row = only_row(checkpoint);
  EXPECT_EQ(row.layout, Layout::sparse_coo);
  EXPECT_TRUE(row.coalesced);
  EXPECT_EQ(row.dtype, DType::float32);
  EXPECT_EQ(checkpoint.table().parts(row).size(), 2u);
  EXPECT_EQ(checkpoint.table().nbytes(row), 24u + 12u);
  expect_error(ErrorCode::corrupt, "unknown sparse layout", [&] {
    open_content(call(global("torch._utils", "_rebuild_sparse_tensor"),
                      {str("torch.sparse_banana"), tuple({tensor({}), tensor({}), ints({10})})}));
  });
}

}  // namespace
}  // namespace torchferry::testing
