// Quantized, sparse and nested tensors: built on the storages they came with, and refused when their
// components contradict each other.

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>
#include <torchferry/devices.h>
#include <torchferry/error.h>

#include "io/error_of.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

using Integers = std::vector<std::int64_t>;

std::string longs(const Integers& values) {
  std::string bytes;
  for (const std::int64_t value : values) append_le(bytes, static_cast<std::uint64_t>(value), 8);
  return bytes;
}

Integers contiguous_strides(const Integers& size) {
  Integers strides(size.size(), 1);
  for (std::size_t i = size.size(); i-- > 1;) strides[i - 1] = strides[i] * size[i];
  return strides;
}

/// A file that is being written: storages get keys by their order.
struct Writing {
  std::vector<std::pair<std::string, std::string>> storages = {};

  Pickle dense(const Integers& size, const std::string& type, const std::string& bytes,
               std::size_t itemsize) {
    const std::string key = std::to_string(storages.size());
    storages.emplace_back(key, bytes);
    return tensor({.key = key,
                   .numel = static_cast<std::int64_t>(bytes.size() / itemsize),
                   .size = size,
                   .stride = contiguous_strides(size),
                   .type = type});
  }
  Pickle indices(const Integers& size, const Integers& values) {
    return dense(size, "LongStorage", longs(values), 8);
  }
  Pickle values(const Integers& size) {
    std::int64_t count = 1;
    for (const std::int64_t one : size) count *= one;
    return dense(size, "FloatStorage", floats(static_cast<std::size_t>(count)), 4);
  }
  Pickle sparse(const std::string& layout, const std::vector<Pickle>& data) {
    return call(global("torch._utils", "_rebuild_sparse_tensor"),
                {call(global("torch.serialization", "_get_layout"), {str("torch." + layout)}), tuple(data)});
  }
  Checkpoint file(const Pickle& named) const {
    return open_bytes(archive(dict({{str("t"), named}}), storages));
  }
};

at::Tensor load_one(const Checkpoint& checkpoint) { return StateDict::load(checkpoint).tensor(0); }

Checkpoint coo(const Integers& indices, const Integers& index_size, const Integers& value_size,
               const Integers& size, bool coalesced = false) {
  Writing writing;
  const Pickle a = writing.indices(index_size, indices);
  const Pickle b = writing.values(value_size);
  return writing.file(writing.sparse("sparse_coo", {a, b, ints(size), boolean(coalesced)}));
}

TEST(SparseLoad, CooViewsItsComponents) {
  const Checkpoint checkpoint = coo({0, 1, 2, 0}, {2, 2}, {2}, {2, 3}, true);
  const at::Tensor loaded = load_one(checkpoint);
  EXPECT_EQ(loaded.layout(), c10::kSparse);
  EXPECT_TRUE(loaded.is_coalesced());
  EXPECT_EQ(floats_of(loaded.to_dense()), (std::vector<float>{0, 0, 0, 1, 0, 0}));
  EXPECT_FALSE(load_one(coo({0, 1, 2, 0}, {2, 2}, {2}, {2, 3})).is_coalesced());
}

TEST(SparseLoad, HybridAndEmpty) {
  EXPECT_EQ(load_one(coo({1}, {1, 1}, {1, 2}, {3, 2})).dense_dim(), 1);
  EXPECT_EQ(load_one(coo({}, {2, 0}, {0}, {2, 3})).to_dense().numel(), 6);
}

TEST(SparseLoad, CooThatLiesIsCorrupt) {
  const auto refuse = [](const Checkpoint& checkpoint) {
    expect_error(ErrorCode::corrupt, "test.pt: tensor 't': ", [&] { load_one(checkpoint); });
  };
  refuse(coo({0, 9, 2, 0}, {2, 2}, {2}, {2, 3}));        // index beyond the size
  refuse(coo({0, -1, 2, 0}, {2, 2}, {2}, {2, 3}));       // negative
  refuse(coo({1, 0, 2, 0}, {2, 2}, {2}, {2, 3}, true));  // said to be in order, but is not
  refuse(coo({0, 1, 2, 0}, {2, 2}, {3}, {2, 3}));        // more values than indices
  refuse(coo({0, 1, 2, 0}, {2, 2}, {2}, {2}));           // dimensions do not add up
  refuse(coo({0, 1}, {2}, {2}, {2, 3}));                 // indices of one dimension
  Writing writing;
  const Pickle a = writing.values({2, 2});
  const Pickle b = writing.values({2});
  refuse(writing.file(writing.sparse("sparse_coo", {a, b, ints({2, 3})})));  // indices that are no integers
}

Checkpoint compressed(const std::string& layout, const Integers& rows, const Integers& columns,
                      const Integers& value_size, const Integers& size) {
  Writing writing;
  const Pickle a = writing.indices({static_cast<std::int64_t>(rows.size())}, rows);
  const Pickle b = writing.indices({static_cast<std::int64_t>(columns.size())}, columns);
  const Pickle c = writing.values(value_size);
  return writing.file(writing.sparse(layout, {a, b, c, ints(size)}));
}

TEST(SparseLoad, CompressedLayouts) {
  EXPECT_EQ(floats_of(load_one(compressed("sparse_csr", {0, 1, 2}, {2, 0}, {2}, {2, 3})).to_dense()),
            (std::vector<float>{0, 0, 0, 1, 0, 0}));
  EXPECT_EQ(load_one(compressed("sparse_csc", {0, 1, 1, 2}, {1, 0}, {2}, {2, 3})).layout(), c10::kSparseCsc);
  EXPECT_EQ(load_one(compressed("sparse_bsr", {0, 1}, {0}, {1, 2, 2}, {2, 2})).layout(), c10::kSparseBsr);
  EXPECT_EQ(load_one(compressed("sparse_bsc", {0, 1}, {0}, {1, 2, 2}, {2, 2})).layout(), c10::kSparseBsc);
}

TEST(SparseLoad, CompressedThatLiesIsCorrupt) {
  const auto refuse = [](const Checkpoint& checkpoint) {
    expect_error(ErrorCode::corrupt, "tensor 't': ", [&] { load_one(checkpoint); });
  };
  refuse(compressed("sparse_csr", {0, 1, 2}, {2, 9}, {2}, {2, 3}));
  refuse(compressed("sparse_csr", {0, 9, 2}, {2, 0}, {2}, {2, 3}));
  refuse(compressed("sparse_csr", {0, 1, 2}, {2, 0}, {3}, {2, 3}));
  refuse(compressed("sparse_csr", {0, 1}, {2, 0}, {2}, {2, 3}));
  refuse(compressed("sparse_csc", {0, 1, 2}, {5, 0}, {2}, {2, 2}));
  refuse(compressed("sparse_bsr", {0, 1, 2}, {1, 0}, {2, 0, 1}, {2, 2}));
}

TEST(SparseLoad, ChecksComponentsThatArriveOnOtherDevicesToo) {
  const StateDict meta = StateDict::load(coo({0, 1, 2, 0}, {2, 2}, {2}, {2, 3}), load_to(Device::meta()));
  EXPECT_TRUE(meta.tensor(0).is_meta());
  EXPECT_EQ(meta.tensor(0).layout(), c10::kSparse);
}

Checkpoint nested_file(const Integers& sizes, const Integers& strides, const Integers& offsets) {
  Writing writing;
  const Pickle buffer = writing.values({7});
  const auto rows = static_cast<std::int64_t>(offsets.size());
  const Integers shape{rows, static_cast<std::int64_t>(sizes.size()) / rows};
  const Pickle a = writing.indices(shape, sizes);
  const Pickle b = writing.indices(shape, strides);
  const Pickle c = writing.indices({rows}, offsets);
  return writing.file(call(global("torch._utils", "_rebuild_nested_tensor"), {buffer, a, b, c}));
}

TEST(NestedLoad, ViewsItsBuffer) {
  const at::Tensor loaded = load_one(nested_file({3, 4}, {1, 1}, {0, 3}));
  EXPECT_TRUE(loaded.is_nested());
  const std::vector<at::Tensor> components = loaded.unbind();
  ASSERT_EQ(components.size(), 2U);
  EXPECT_EQ(floats_of(components[1]), (std::vector<float>{3, 4, 5, 6}));
}

TEST(NestedLoad, GoesToADeviceAndBack) {
  const Device fake{c10::get_privateuse1_backend(), 1};
  const StateDict there = StateDict::load(nested_file({3, 4}, {1, 1}, {0, 3}), load_to(fake));
  EXPECT_TRUE(there.report().skipped.empty());
  ASSERT_TRUE(there.tensor(0).is_nested());
  EXPECT_EQ(there.tensor(0).device(), to_c10(fake));
  const StateDict back = there.to(Device::cpu());
  const std::vector<at::Tensor> components = back.tensor(0).unbind();
  ASSERT_EQ(components.size(), 2U);
  EXPECT_EQ(floats_of(components[0]), (std::vector<float>{0, 1, 2}));
  EXPECT_EQ(floats_of(components[1]), (std::vector<float>{3, 4, 5, 6}));
}

TEST(NestedLoad, ComponentsBeyondTheBufferAreCorrupt) {
  const auto refuse = [](const Checkpoint& checkpoint) {
    expect_error(ErrorCode::corrupt, "tensor 't': ", [&] { load_one(checkpoint); });
  };
  refuse(nested_file({3, 5}, {1, 1}, {0, 3}));
  refuse(nested_file({3, 4}, {1, 2}, {0, 3}));
  refuse(nested_file({3, 4}, {1, 1}, {0, -1}));
  refuse(nested_file({3, -4}, {1, 1}, {0, 3}));
  refuse(nested_file({3, INT64_MAX}, {1, INT64_MAX}, {0, 3}));
  refuse(nested_file({0, 4}, {1, 1}, {8, 3}));
}

Pickle quantized(const Pickle& storage_id, const Integers& size, const Pickle& quantizer) {
  return call(global("torch._utils", "_rebuild_qtensor"),
              {storage_id, num(0), ints(size), ints(contiguous_strides(size)), quantizer, boolean(false),
               ordered_dict()});
}

TEST(QuantizedLoad, PerTensorSharesItsStorage) {
  const Pickle quantizer = tuple({global("torch", "per_tensor_affine"), real(0.5), num(1)});
  const Pickle stored = storage("QInt8Storage", "0", "cpu", 6);
  const Pickle content =
      dict({{str("a"), quantized(stored, {2, 3}, quantizer)}, {str("b"), quantized(stored, {4}, quantizer)}});
  for (const bool mmap : {true, false}) {
    const StateDict loaded = StateDict::load(
        open_bytes(archive(content, {{"0", std::string("\0\1\2\3\4\5", 6)}})), load_to(Device::cpu(), mmap));
    EXPECT_EQ(floats_of(tensor_at(loaded, "a").dequantize()), (std::vector<float>{-0.5, 0, 0.5, 1, 1.5, 2}));
    EXPECT_TRUE(share_storage(tensor_at(loaded, "a"), tensor_at(loaded, "b")));
    EXPECT_EQ(tensor_at(loaded, "b").q_zero_point(), 1);
  }
}

TEST(QuantizedLoad, PerChannelInBothKinds) {
  for (const bool float_parameters : {false, true}) {
    Writing writing;
    writing.storages.emplace_back("0", std::string("\0\1\2\3\4\5", 6));
    std::string doubles;
    for (const double scale : {1.0, 2.0, 4.0}) append_le(doubles, std::bit_cast<std::uint64_t>(scale), 8);
    const Pickle scales =
        float_parameters ? writing.values({3}) : writing.dense({3}, "DoubleStorage", doubles, 8);
    const Pickle zeros = float_parameters ? writing.values({3}) : writing.indices({3}, {0, 1, 2});
    const Pickle quantizer = tuple({global("torch", "per_channel_affine"), scales, zeros, num(1)});
    const at::Tensor loaded =
        load_one(writing.file(quantized(storage("QUInt8Storage", "0", "cpu", 6), {2, 3}, quantizer)));
    EXPECT_EQ(loaded.q_per_channel_axis(), 1);
    EXPECT_EQ(loaded.qscheme(),
              float_parameters ? c10::kPerChannelAffineFloatQParams : c10::kPerChannelAffine);
    if (!float_parameters) {
      EXPECT_EQ(floats_of(loaded.dequantize()), (std::vector<float>{0, 0, 0, 3, 6, 12}));
    }
  }
}

TEST(QuantizedLoad, WhatLibtorchCannotBuildIsLeftOutWithItsReason) {
  const Pickle quantizer = tuple({global("torch", "per_tensor_affine"), real(0.5), num(1)});
  const Pickle q = quantized(storage("QInt8Storage", "1", "cpu", 6), {6}, quantizer);
  const Pickle content = dict({{str("q"), q}, {str("w"), tensor({})}, {str("q2"), q}});
  const Checkpoint checkpoint = open_bytes(archive(content, {{"0", floats(6)}, {"1", "123456"}}));
  const StateDict meta = StateDict::load(checkpoint, load_to(Device::meta()));
  ASSERT_EQ(meta.size(), 1U);
  EXPECT_EQ(meta.key(0), "w");
  EXPECT_EQ(meta.find("q"), std::nullopt);
  EXPECT_EQ(meta.find("w"), 0U);
  ASSERT_EQ(meta.report().skipped.size(), 2U);
  EXPECT_EQ(meta.report().skipped[0].first, "q");
  EXPECT_NE(meta.report().skipped[1].second.find("QuantizedMeta"), std::string::npos);
  const auto entries = std::span(checkpoint.entries()).first(1);
  expect_error(ErrorCode::unsupported,
               "tensor 'q': ", [&] { StateDict::load(checkpoint, entries, load_to(Device::meta())); });
}

TEST(CompoundLoad, PyTorchsFilesAreBuiltCompletely) {
  for (const char* name : {"quantized.pt", "sparse.pt", "nested_tensor.pt"}) {
    const Checkpoint checkpoint = Checkpoint::open(fixture(name));
    const StateDict loaded = StateDict::load(checkpoint);
    EXPECT_TRUE(loaded.report().skipped.empty()) << name;
    EXPECT_EQ(loaded.size(), checkpoint.entries().size());
  }
  const StateDict sparse = StateDict::load(Checkpoint::open(fixture("sparse.pt")));
  for (const char* key : {"coo", "csr", "csc"}) {
    EXPECT_EQ(tensor_at(sparse, key).to_dense().dim(), 2) << key;
  }
}

}  // namespace
}  // namespace torchferry::testing
