#include <torchferry/devices.h>

#include <c10/core/DeviceType.h>
#include <gtest/gtest.h>
#include <torchferry/error.h>

#include <new>

#include "io/error_of.h"
#include "torch/translate_errors.h"

namespace torchferry::testing {
namespace {

TEST(Devices, TypesThatAreNotThereCountZeroAndDoNotThrow) {
  EXPECT_EQ(device_count("cpu"), 1);
  EXPECT_EQ(device_count("meta"), 1);
  for (const char* type : {"cuda", "xpu", "mps", "hpu", "mtia", "xla", "nonsense", ""})
    EXPECT_EQ(device_count(type), 0);
  EXPECT_EQ(torch_catalog().count("cuda"), 0);
  EXPECT_EQ(torch_catalog().privateuse1_name(), c10::get_privateuse1_backend());
}

TEST(Devices, ConversionsAreEachOthersInverse) {
  for (const Device& device :
       {Device::cpu(), Device::meta(), Device{"cuda", 1}, Device{"mps", 0}, Device{"xpu", -1}}) {
    EXPECT_EQ(from_c10(to_c10(device)), device);
  }
  EXPECT_EQ(to_c10(Device{"cpu", 0}), c10::Device(c10::kCPU));
  EXPECT_EQ(to_c10(Device{"privateuseone", 3}).str(), c10::get_privateuse1_backend() + ":3");
  expect_error(ErrorCode::invalid_argument, "no device type 'gpu'", [] { to_c10(Device{"gpu", 0}); });
  expect_error(ErrorCode::invalid_argument, "Invalid device string: 'cuda:128'",
               [] { to_c10(Device{"cuda", 128}); });
}

TEST(Devices, RequiredOnesMustBeThere) {
  EXPECT_EQ(require_device(Device{"cpu", 0}), Device::cpu());
  EXPECT_EQ(require_device(Device::meta()), Device::meta());
  expect_error(ErrorCode::device_unavailable,
               "device cuda:1 is not available: torch.cuda.device_count() is 0",
               [] { require_device(Device{"cuda", 1}); });
}

TEST(Devices, VersionsAgreeHere) {
  EXPECT_EQ(libtorch_build_version().substr(0, libtorch_runtime_version().size()),
            libtorch_runtime_version());
}

TEST(TranslateErrors, SortsWhatLibtorchThrows) {
  expect_error(ErrorCode::out_of_memory, "device full", [] {
    translated(ErrorCode::corrupt, [] { TORCH_CHECK_WITH(OutOfMemoryError, false, "device full\nmore"); });
  });
  expect_error(ErrorCode::unsupported, "no such kernel", [] {
    translated(ErrorCode::corrupt, [] { TORCH_CHECK_NOT_IMPLEMENTED(false, "no such kernel"); });
  });
  expect_error(ErrorCode::out_of_memory, "DefaultCPUAllocator", [] {
    translated(ErrorCode::corrupt, [] { TORCH_CHECK(false, "DefaultCPUAllocator: can't allocate memory"); });
  });
  expect_error(ErrorCode::out_of_memory, "host memory",
               [] { translated(ErrorCode::corrupt, [] { throw std::bad_alloc(); }); });
  expect_error(ErrorCode::cancelled, "mine",
               [] { translated(ErrorCode::corrupt, [] { throw Error(ErrorCode::cancelled, "mine"); }); });
  const Error plain =
      error_of([] { translated(ErrorCode::corrupt, [] { TORCH_CHECK(false, "\n one\ntwo"); }); });
  EXPECT_STREQ(plain.what(), "one");
  EXPECT_EQ(translated(ErrorCode::corrupt, [] { return 3; }), 3);
}

}  // namespace
}  // namespace torchferry::testing
