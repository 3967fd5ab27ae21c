// Packages of compiled models (.pt2): what is refused, and that nothing is left behind.

#include <gtest/gtest.h>
#include <torchferry/aoti_module.h>
#include <torchferry/devices.h>
#include <torchferry/error.h>

#include <iterator>

#include "io/error_of.h"
#include "io/temp_file.h"
#include "torch/aoti_package.h"
#include "torch/aoti_packages.h"

namespace torchferry::testing {
namespace {

class AotiPackageTest : public ::testing::Test {
 protected:
  AotiModule load(const std::string& bytes, const std::string& model = "model", const Device& device = Device::cpu()) {
    return AotiModule::load(as_bytes(bytes), device, "net.pt2", {.model = model, .folder = folder_.path()});
  }
  std::ptrdiff_t leftovers() const {
    return std::distance(std::filesystem::directory_iterator(folder_.path()), std::filesystem::directory_iterator());
  }
  void refused(ErrorCode code, const std::string& text, const std::string& bytes, const std::string& model = "model") {
    expect_error(code, text, [&] { load(bytes, model); });
    EXPECT_EQ(leftovers(), 0);
  }

  TempDirectory folder_;
};

TEST_F(AotiPackageTest, UnpacksIntoAFolderThatGoesWithTheModule) {
  {
    const AotiModule module = load(aoti_package().bytes());
    EXPECT_EQ(leftovers(), 1);
  }
  EXPECT_EQ(leftovers(), 0);
  const auto file = aoti_package().write(folder_ / "net.pt2");
  EXPECT_EQ(AotiModule::load(file, Device::cpu()).state_dict().size(), 4U);
  EXPECT_EQ(leftovers(), 1);
}

TEST_F(AotiPackageTest, UnpacksWhatTheLibraryReads) {
  ZipBuilder zip = aoti_package();
  zip.add("net/data/aotinductor/model/kernels/one.cubin", "device code");
  zip.add("net/data/aotinductor/other/two.cubin", "not this model's");
  zip.add("net/data/constants/custom_objs_config.json", "{}");
  const AotiPackage package = unpack_aoti(zip.source(), "model", Device::cpu(), folder_.path());
  EXPECT_EQ(package.library.filename(), "cabc.wrapper.so");
  EXPECT_TRUE(std::filesystem::is_regular_file(package.folder.path() / "kernels/one.cubin"));
  EXPECT_TRUE(std::filesystem::is_regular_file(package.folder.path() / "custom_objs_config.json"));
  EXPECT_FALSE(std::filesystem::exists(package.folder.path() / "two.cubin"));
  EXPECT_FALSE(std::filesystem::exists(package.folder.path() / "cabc.wrapper.cpp"));
  EXPECT_EQ(std::filesystem::status(package.folder.path()).permissions(), std::filesystem::perms::owner_all);
}

TEST_F(AotiPackageTest, RefusesWhatIsNoPackage) {
  expect_error(ErrorCode::io, "there is no such file", [] { AotiModule::load("/nowhere.pt2", Device::cpu()); });
  refused(ErrorCode::corrupt, "net.pt2: ", "not an archive at all");
  refused(ErrorCode::corrupt, "not a package of AOTInductor (.pt2): it has no folder data/aotinductor/",
          ZipBuilder().add("net/data.pkl", "x").bytes());
  refused(ErrorCode::unsupported, "an exported program (torch.export.save), which only Python can run; compile it",
          ZipBuilder().add("net/models/model.json", "{}").add("net/archive_format", "pt2").bytes());
  const std::string whole = aoti_package().bytes();
  refused(ErrorCode::corrupt, "net.pt2: ", whole.substr(0, whole.size() / 2));
}

TEST_F(AotiPackageTest, RefusesModelsThatItCannotRun) {
  refused(ErrorCode::invalid_argument, "the package has no model 'other'; it has: model", aoti_package().bytes(),
          "other");
  refused(ErrorCode::unsupported, "the package has the model's source code and no library", aoti_package("").bytes());
  const auto described = [](const std::string& metadata) { return aoti_package(compiled_library(), metadata).bytes(); };
  refused(ErrorCode::unsupported, "compiled for cuda, and cannot run on cpu", described(aoti_metadata("cuda")));
  refused(ErrorCode::unsupported, "compiled for linux s390x, and this is linux ",
          described(aoti_metadata("cpu", "", "s390x")));
  refused(ErrorCode::corrupt, "cabc.wrapper_metadata.json", described("{\"AOTI_DEVICE_KEY\": 7}"));
  refused(ErrorCode::unsupported, "the package was made without its constants, of which body.scale is one",
          aoti_package(compiled_library("_without_constants")).bytes());
  refused(ErrorCode::unsupported,
          "compiled by a PyTorch that this libtorch (" + libtorch_runtime_version() + ") does not fit: ",
          aoti_package(compiled_library("_needs_another_libtorch")).bytes());
  refused(ErrorCode::unsupported, "cabc.wrapper.so: ", aoti_package("no library").bytes());
  expect_error(ErrorCode::device_unavailable, "cuda:7", [&] { load(aoti_package().bytes(), "model", {"cuda", 7}); });
  expect_error(ErrorCode::unsupported, "compiled for cpu, and cannot run on ",
               [&] { load(aoti_package().bytes(), "model", {c10::get_privateuse1_backend(), 0}); });
  EXPECT_EQ(leftovers(), 0);
}

TEST_F(AotiPackageTest, RefusesDamageAndNamesThatLeadAway) {
  ZipBuilder damaged = aoti_package("");
  damaged.add(ZipEntry{.name = "net/data/aotinductor/model/cabc.wrapper.so", .payload = compiled_library(), .crc = 1});
  refused(ErrorCode::corrupt, "cabc.wrapper.so", damaged.bytes());
  for (const std::string name : {"../../../../evil.so", "a/../evil.so", "/evil.so", "a//b.so", "."}) {
    ZipBuilder zip = aoti_package();
    zip.add("net/data/aotinductor/model/" + name, "x");
    refused(ErrorCode::corrupt, "the name leads out of the package's folder", zip.bytes());
  }
  ZipBuilder twice = aoti_package();
  twice.add("net/data/aotinductor/model/b.wrapper.so", compiled_library());
  refused(ErrorCode::corrupt, "the model has several libraries", twice.bytes());
  ZipBuilder same = aoti_package();
  same.add("net/data/constants/cabc.wrapper.so", "x");
  refused(ErrorCode::corrupt, "the package has two files of this name", same.bytes());
}

TEST_F(AotiPackageTest, RefusesRunnersThatAreNone) {
  for (const std::size_t runners : {std::size_t{0}, std::size_t{100000}}) {
    expect_error(ErrorCode::invalid_argument, "runners must be from 1 to 1024", [&] {
      AotiModule::load(aoti_package().write(folder_ / "net.pt2"), Device::cpu(), {.runners = runners});
    });
  }
}

TEST_F(AotiPackageTest, KnowsInstructionsThatTheProcessorLacks) {
  EXPECT_EQ(missing_instructions(""), "");
  EXPECT_EQ(missing_instructions("SOMETHING NEW"), "");
#if defined(__x86_64__)
  EXPECT_EQ(missing_instructions("AVX2"), __builtin_cpu_supports("avx2") ? "" : "AVX2");
  EXPECT_EQ(missing_instructions("AVX512_VNNI"), __builtin_cpu_supports("avx512vnni") ? "" : "AVX512_VNNI");
#endif
}

TEST_F(AotiPackageTest, NeedsAFolderToUnpackTo) {
  const std::string package = aoti_package().bytes();
  expect_error(ErrorCode::io, "no temporary folder can be made here", [&] {
    AotiModule::load(as_bytes(package), Device::cpu(), "net.pt2", {.folder = folder_ / "missing"});
  });
}

}  // namespace
}  // namespace torchferry::testing
