// Loading to the CPU: zero copy, in own memory, and what has to be copied because of how it lies in the file.

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>
#include <torchferry/error.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>

#include "io/error_of.h"
#include "io/temp_file.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

/// {"w": 2x3 view, "again": the same tensor object, "flat": other view of the storage}
std::string shared_content() {
  const Pickle w = tensor({.size = {2, 3}, .stride = {3, 1}});
  return archive(dict({}) + pairs({{str("w"), put(w, 7)},
                                   {str("again"), get(7)},
                                   {str("column"), tensor({.offset = 1, .size = {2}, .stride = {3}})}}),
                 {{"0", floats(6)}});
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool lies_in(std::span<const std::byte> memory, const at::Tensor& tensor) {
  const auto* const data = static_cast<const std::byte*>(tensor.const_data_ptr());
  return data >= memory.data() && data < memory.data() + memory.size();
}

TEST(MappedLoad, ViewsTheFileWithoutReadingIt) {
  const TempDirectory directory;
  const Checkpoint checkpoint = Checkpoint::open(write_file(directory / "a.pt", shared_content()));
  const StateDict loaded = StateDict::load(checkpoint);
  ASSERT_EQ(loaded.size(), 3U);
  EXPECT_EQ(loaded.key(0), "w");
  EXPECT_EQ(loaded.key(2), "column");
  EXPECT_EQ(floats_of(loaded.tensor(0)), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(floats_of(loaded.tensor(2)), (std::vector<float>{1, 4}));
  EXPECT_EQ(loaded.report().bytes_mapped, 24U);
  EXPECT_EQ(loaded.report().bytes_read, 0U);
  EXPECT_FALSE(loaded.tensor(0).storage().resizable());
  EXPECT_EQ(loaded.tensor(0).storage().nbytes(), 24U);
}

TEST(MappedLoad, KeepsIdentityAndSharing) {
  for (const bool mmap : {true, false}) {
    const StateDict loaded = StateDict::load(open_bytes(shared_content()), load_to(Device::cpu(), mmap));
    EXPECT_TRUE(tensor_at(loaded, "w").is_same(tensor_at(loaded, "again")));
    EXPECT_FALSE(tensor_at(loaded, "w").is_same(tensor_at(loaded, "column")));
    EXPECT_TRUE(share_storage(tensor_at(loaded, "w"), tensor_at(loaded, "column")));
    EXPECT_EQ(tensor_at(loaded, "column").storage_offset(), 1);
    EXPECT_EQ(tensor_at(loaded, "column").strides(), (std::vector<std::int64_t>{3}));
  }
}

TEST(MappedLoad, TensorsOutliveTheCheckpointAndTheStateDict) {
  const TempDirectory directory;
  at::Tensor kept;
  {
    const StateDict loaded =
        StateDict::load(Checkpoint::open(write_file(directory / "a.pt", shared_content())));
    kept = tensor_at(loaded, "column");
  }
  std::filesystem::remove(directory / "a.pt");
  EXPECT_EQ(floats_of(kept), (std::vector<float>{1, 4}));
}

TEST(MappedLoad, WritesStayPrivate) {
  const TempDirectory directory;
  const std::string bytes = shared_content();
  const auto path = write_file(directory / "a.pt", bytes);
  const StateDict loaded = StateDict::load(Checkpoint::open(path));
  tensor_at(loaded, "column").fill_(-7.0);
  EXPECT_EQ(floats_of(tensor_at(loaded, "w")), (std::vector<float>{0, -7, 2, 3, -7, 5}));
  EXPECT_EQ(content_of(path), bytes);
  EXPECT_EQ(floats_of(tensor_at(StateDict::load(Checkpoint::open(path)), "column")),
            (std::vector<float>{1, 4}));
}

TEST(MappedLoad, LoadsDoNotSeeEachOthersWrites) {
  const TempDirectory directory;
  const Checkpoint checkpoint = Checkpoint::open(write_file(directory / "a.pt", shared_content()));
  const StateDict first = StateDict::load(checkpoint);
  const StateDict second = StateDict::load(checkpoint);
  tensor_at(first, "column").fill_(-7.0);
  EXPECT_EQ(floats_of(tensor_at(first, "column")), (std::vector<float>{-7, -7}));
  EXPECT_EQ(floats_of(tensor_at(second, "column")), (std::vector<float>{1, 4}));
  EXPECT_EQ(floats_of(tensor_at(StateDict::load(checkpoint), "column")), (std::vector<float>{1, 4}));
  float element = 0;
  checkpoint.read_elements(checkpoint.table().tensors()[checkpoint.entries()[2].tensor], 1,
                           std::as_writable_bytes(std::span(&element, 1)));
  EXPECT_EQ(element, 4);
}

TEST(MappedLoad, CallersMemoryIsCopied) {
  auto bytes = std::make_shared<const std::string>(shared_content());
  const std::string before = *bytes;
  const Checkpoint checkpoint = Checkpoint::open(as_bytes(*bytes), bytes, "memory");
  for (const bool mmap : {true, false}) {
    const StateDict copied = StateDict::load(checkpoint, load_to(Device::cpu(), mmap));
    EXPECT_FALSE(lies_in(as_bytes(*bytes), copied.tensor(0)));
    EXPECT_EQ(copied.report().bytes_read, 24U);
    EXPECT_EQ(copied.report().bytes_mapped, 0U);
    EXPECT_TRUE(copied.tensor(0).storage().resizable());
    tensor_at(copied, "w").fill_(-7.0);
  }
  EXPECT_EQ(*bytes, before);
  std::weak_ptr<const std::string> watch = bytes;
  bytes.reset();
  EXPECT_FALSE(watch.expired());
}

TEST(MappedLoad, MisalignedStoragesAloneAreCopied) {
  // Without alignment by the writer, payloads lie where the headers end. One of byte elements suits any
  // address.
  for (std::size_t shift = 0; shift < 4; ++shift) {
    ZipBuilder zip;
    zip.alignment = 1;
    const Pickle content =
        dict({{str("f"), tensor({.numel = 3, .size = {3}})},
              {str("b"), tensor({.key = "1", .numel = 4, .size = {4}, .type = "ByteStorage"})}});
    zip.add("archive/data.pkl", "\x80\x02" + content + ".");
    zip.add("archive/" + std::string(8 + shift, 'p'), "x");
    zip.add("archive/data/0", floats(3));
    zip.add("archive/data/1", "\1\2\3\4");
    zip.add("archive/version", "3\n");
    const TempDirectory directory;
    const Checkpoint checkpoint = Checkpoint::open(write_file(directory / "a.pt", zip.bytes()));
    const bool aligned = checkpoint.table().storages()[0].file_offset % 4 == 0;
    const StateDict loaded = StateDict::load(checkpoint);
    EXPECT_EQ(loaded.report().bytes_read, aligned ? 0U : 12U);
    EXPECT_EQ(loaded.report().bytes_mapped, aligned ? 16U : 4U);
    const at::Tensor& f = tensor_at(loaded, "f");
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(f.const_data_ptr()) % 4, 0U);
    EXPECT_EQ(f.storage().resizable(), !aligned);
    EXPECT_EQ(floats_of(f), (std::vector<float>{0, 1, 2}));
    EXPECT_FALSE(tensor_at(loaded, "b").storage().resizable());
    EXPECT_EQ(tensor_at(loaded, "b").const_data_ptr<std::uint8_t>()[3], 4);
  }
}

TEST(MappedLoad, DeflatedAndForeignByteOrderAreRead) {
  const Pickle content = dict({{str("w"), tensor({})}});
  ZipBuilder zip;
  zip.add("archive/data.pkl", "\x80\x02" + content + ".");
  zip.add_deflated("archive/data/0", floats(6));
  zip.add("archive/version", "3\n");
  const StateDict inflated = StateDict::load(open_bytes(zip.bytes()));
  EXPECT_EQ(floats_of(inflated.tensor(0)), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(inflated.report().bytes_read, 24U);

  std::string big = floats(6);
  for (std::size_t i = 0; i < big.size(); i += 4) std::reverse(big.begin() + i, big.begin() + i + 4);
  const StateDict swapped = StateDict::load(open_bytes(archive(content, {{"0", big}}, "big")));
  EXPECT_EQ(floats_of(swapped.tensor(0)), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(swapped.report().bytes_mapped, 0U);
}

TEST(MappedLoad, EmptyStoragesStayShared) {
  const Pickle content = dict({{str("a"), tensor({.numel = 0, .size = {0}})},
                               {str("b"), tensor({.numel = 0, .size = {0, 3}, .stride = {3, 1}})}});
  for (const bool mmap : {true, false}) {
    const StateDict loaded =
        StateDict::load(open_bytes(archive(content, {{"0", ""}})), load_to(Device::cpu(), mmap));
    EXPECT_EQ(tensor_at(loaded, "b").sizes(), (std::vector<std::int64_t>{0, 3}));
    EXPECT_TRUE(share_storage(tensor_at(loaded, "a"), tensor_at(loaded, "b")));
    EXPECT_EQ(tensor_at(loaded, "a").add(1.0).numel(), 0);
  }
}

TEST(MappedLoad, ParametersAndGradients) {
  const Pickle content = dict({{str("p"), parameter(tensor({}))},
                               {str("frozen"), parameter(tensor({}), false)},
                               {str("leaf"), tensor({.requires_grad = true})},
                               {str("plain"), tensor({})}});
  const StateDict loaded = StateDict::load(open_content(content));
  const auto is_parameter = [&](const char* key) { return loaded.is_parameter(*loaded.find(key)); };
  EXPECT_TRUE(is_parameter("p"));
  EXPECT_TRUE(is_parameter("frozen"));
  EXPECT_FALSE(is_parameter("leaf"));
  EXPECT_TRUE(tensor_at(loaded, "p").requires_grad());
  EXPECT_TRUE(tensor_at(loaded, "p").is_leaf());
  EXPECT_FALSE(tensor_at(loaded, "frozen").requires_grad());
  EXPECT_TRUE(tensor_at(loaded, "leaf").requires_grad());
  EXPECT_FALSE(tensor_at(loaded, "plain").requires_grad());
  EXPECT_TRUE(share_storage(tensor_at(loaded, "p"), tensor_at(loaded, "plain")));
}

TEST(MappedLoad, MakesOrdinaryTensorsInAnyMode) {
  const c10::InferenceMode inference;
  const StateDict loaded = StateDict::load(open_content(dict({{str("p"), parameter(tensor({}))}})));
  EXPECT_FALSE(loaded.tensor(0).is_inference());
  EXPECT_TRUE(loaded.tensor(0).requires_grad());
}

TEST(MappedLoad, LazyBits) {
  const Pickle conj = dict({{str("conj"), boolean(true)}});
  const Pickle neg = dict({{str("neg"), boolean(true)}});
  const Pickle content =
      dict({{str("c"), tensor({.numel = 3, .size = {3}, .type = "ComplexFloatStorage", .metadata = conj})},
            {str("n"), tensor({.key = "1", .metadata = neg})}});
  const StateDict loaded =
      StateDict::load(open_bytes(archive(content, {{"0", floats(6)}, {"1", floats(6)}})));
  EXPECT_TRUE(tensor_at(loaded, "c").is_conj());
  EXPECT_EQ(floats_of(at::Tensor(tensor_at(loaded, "c").resolve_conj()).view(c10::kFloat)),
            (std::vector<float>{0, -1, 2, -3, 4, -5}));
  EXPECT_TRUE(tensor_at(loaded, "n").is_neg());
  EXPECT_EQ(floats_of(tensor_at(loaded, "n").resolve_neg()), (std::vector<float>{-0.F, -1, -2, -3, -4, -5}));
}

TEST(MappedLoad, MetaReadsNoByteAndKeepsGeometryAndSharing) {
  const StateDict loaded = StateDict::load(open_bytes(shared_content()), load_to(Device::meta()));
  EXPECT_TRUE(tensor_at(loaded, "w").is_meta());
  EXPECT_EQ(tensor_at(loaded, "column").strides(), (std::vector<std::int64_t>{3}));
  EXPECT_TRUE(share_storage(tensor_at(loaded, "w"), tensor_at(loaded, "column")));
  EXPECT_EQ(loaded.report().bytes_read + loaded.report().bytes_mapped, 0U);
  EXPECT_EQ(tensor_at(loaded, "w").add(1.0).sizes(), (std::vector<std::int64_t>{2, 3}));
}

TEST(MappedLoad, RefusesTwoTensorsOfOneName) {
  const Pickle content = dict({{str("a.b"), tensor({})}, {str("a"), dict({{str("b"), tensor({})}})}});
  expect_error(ErrorCode::unsupported, "test.pt: two tensors have the name 'a.b'",
               [&] { StateDict::load(open_content(content)); });
}

TEST(MappedLoad, VersionsComeFromTheMetadataOfTheChosenPlace) {
  const Pickle metadata = ordered_dict({{str(""), dict({{str("version"), num(1)}})},
                                        {str("bn"), dict({{str("version"), num(2)}})},
                                        {str("odd"), dict({{str("other"), num(2)}})}});
  const Pickle module =
      with_state(ordered_dict({{str("bn.weight"), tensor({})}}), dict({{str("_metadata"), metadata}}));
  const Checkpoint checkpoint = open_content(dict({{str("model"), module}, {str("epoch"), num(3)}}));
  const std::vector<std::string> path{"model"};
  const StateDict model = StateDict::load(checkpoint, checkpoint.entries(path), {}, path);
  EXPECT_EQ(model.key(0), "bn.weight");
  EXPECT_TRUE(model.has_metadata());
  EXPECT_EQ(model.versions(), (ModuleVersions{{"", 1}, {"bn", 2}}));
  const StateDict whole = StateDict::load(checkpoint);
  EXPECT_FALSE(whole.has_metadata());
  EXPECT_TRUE(whole.versions().empty());
}

TEST(MappedLoad, CastsFloatingPointOnly) {
  const Pickle content =
      dict({{str("w"), tensor({})},
            {str("n"), tensor({.key = "1", .numel = 3, .size = {3}, .type = "LongStorage"})}});
  LoadOptions options;
  options.cast = DType::float64;
  const Checkpoint checkpoint =
      open_bytes(archive(content, {{"0", floats(6)}, {"1", std::string(24, '\0')}}));
  const StateDict loaded = StateDict::load(checkpoint, options);
  EXPECT_EQ(tensor_at(loaded, "w").scalar_type(), c10::kDouble);
  EXPECT_EQ(tensor_at(loaded, "n").scalar_type(), c10::kLong);
  options.cast = DType::int32;
  expect_error(ErrorCode::invalid_argument, "floating point types only, not to int32",
               [&] { StateDict::load(checkpoint, options); });
}

TEST(MappedLoad, PyTorchsFilesOfEveryDType) {
  const StateDict loaded = StateDict::load(Checkpoint::open(fixture("dtypes.pt")));
  EXPECT_TRUE(loaded.report().skipped.empty());
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    const std::string key(loaded.key(i));
    const auto dtype = dtype_named(key);
    if (!dtype) continue;
    EXPECT_EQ(static_cast<int>(loaded.tensor(i).scalar_type()), static_cast<int>(*dtype)) << key;
    EXPECT_EQ(loaded.tensor(i).element_size(), itemsize(*dtype)) << key;
  }
  for (const char* key : {"float32", "bfloat16", "float8_e5m2", "complex128", "uint64", "bool", "bits16"}) {
    EXPECT_TRUE(loaded.find(key)) << key;
  }
  const StateDict misaligned = StateDict::load(Checkpoint::open(fixture("misaligned.pt")));
  const StateDict deflated = StateDict::load(Checkpoint::open(fixture("deflated.pt")));
  ASSERT_EQ(misaligned.size(), deflated.size());
  for (std::size_t i = 0; i < misaligned.size(); ++i) {
    const at::Tensor a = misaligned.tensor(i).contiguous();
    const at::Tensor b = tensor_at(deflated, misaligned.key(i)).contiguous();
    ASSERT_EQ(a.nbytes(), b.nbytes());
    EXPECT_TRUE(a.nbytes() == 0 || std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0)
        << misaligned.key(i);
  }
}

}  // namespace
}  // namespace torchferry::testing
