#include <gtest/gtest.h>
#include <torchferry/device.h>
#include <torchferry/error.h>

namespace torchferry {
namespace {

TEST(DeviceTest, ParsesTypesAndIndices) {
  EXPECT_EQ(Device::parse("cpu"), Device::cpu());
  EXPECT_EQ(Device::parse("cuda"), (Device{"cuda", -1}));
  EXPECT_EQ(Device::parse("cuda:1"), (Device{"cuda", 1}));
  EXPECT_EQ(Device::parse("my_accelerator:7"), (Device{"my_accelerator", 7}));
  EXPECT_EQ(Device::parse("cuda:0").str(), "cuda:0");
  EXPECT_EQ(Device::parse("meta").str(), "meta");
}

TEST(DeviceTest, RefusesWhatTorchRefusesInTorchsWords) {
  for (const char* text : {"", ":", ":0", "cuda:", "cuda:-1", "cuda:x", "cuda:1x", "cuda:01", "cuda0", "cuda:999", "1",
                           "cuda:1:2", "cu da", "cuda:99999999999"}) {
    try {
      Device::parse(text);
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_EQ(error.message(), "Invalid device string: '" + std::string(text) + "'");
    }
  }
}

}  // namespace
}  // namespace torchferry
