#include <gtest/gtest.h>
#include <torchferry/error.h>
#include <torchferry/plan.h>

#include <map>
#include <vector>

namespace torchferry {
namespace {

/// A machine with the devices that a test says.
class Machine : public DeviceCatalog {
 public:
  explicit Machine(std::map<std::string, int> counts) : counts_(std::move(counts)) {}
  int count(const std::string& type) const override {
    const auto found = counts_.find(type);
    return found == counts_.end() ? 0 : found->second;
  }
  int current(const std::string&) const override { return 0; }

 private:
  std::map<std::string, int> counts_;
};

std::string message_of(const std::string& tag, const MapLocation& map_location, const DeviceCatalog& devices) {
  try {
    const Device device = resolve_location(tag, map_location, devices);
    return "went to " + device.str();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::device_unavailable) << tag;
    return error.message();
  }
}

const Machine kCpuOnly({{"cpu", 1}, {"meta", 1}});
const Machine kOneGpu({{"cpu", 1}, {"meta", 1}, {"cuda", 1}});

TEST(ResolveLocationTest, KeepsWhatIsHere) {
  EXPECT_EQ(resolve_location("cpu", MapLocation::as_saved(), kCpuOnly), Device::cpu());
  EXPECT_EQ(resolve_location("cpu:0", MapLocation::as_saved(), kCpuOnly), Device::cpu());
  EXPECT_EQ(resolve_location("meta", MapLocation::as_saved(), kCpuOnly), Device::meta());
  EXPECT_EQ(resolve_location("cuda:0", MapLocation::as_saved(), kOneGpu), (Device{"cuda", 0}));
  EXPECT_EQ(resolve_location("cuda", MapLocation::as_saved(), kOneGpu), (Device{"cuda", 0}));
}

TEST(ResolveLocationTest, TellsInTorchsWordsThatThereIsNoDevice) {
  EXPECT_TRUE(message_of("cuda:0", MapLocation::as_saved(), kCpuOnly)
                  .starts_with("Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. "
                               "If you are running on a CPU-only machine, please use torch.load with "
                               "map_location=torch.device('cpu') to map your storages to the CPU."));
  EXPECT_TRUE(message_of("cuda:7", MapLocation::as_saved(), kOneGpu)
                  .starts_with("Attempting to deserialize object on CUDA device 7 but torch.cuda.device_count() is 1. "
                               "Please use torch.load with map_location to map your storages to an existing device."));
  EXPECT_TRUE(message_of("hpu:0", MapLocation::as_saved(), kCpuOnly)
                  .starts_with("The HPU device module is not registered."));
  EXPECT_TRUE(message_of("xla:0", MapLocation::as_saved(), kCpuOnly)
                  .starts_with("don't know how to restore data location of torch.storage.UntypedStorage (tagged with "
                               "xla:0)"));
  EXPECT_TRUE(message_of("cuda0", MapLocation::as_saved(), kCpuOnly).starts_with("Invalid device string: 'cuda0'"));
  for (const char* tag : {"foo", "", "npu:0", "cpu:1"}) {
    EXPECT_TRUE(message_of(tag, MapLocation::as_saved(), kCpuOnly).starts_with("don't know how to restore")) << tag;
  }
}

TEST(ResolveLocationTest, EveryMessageNamesTheCure) {
  for (const char* tag : {"cuda:0", "hpu:0", "xla:0", "mps", "cuda0", "foo"}) {
    EXPECT_NE(message_of(tag, MapLocation::as_saved(), kCpuOnly).find("--map-location cpu"), std::string::npos) << tag;
  }
}

TEST(ResolveLocationTest, OneDeviceForAllIgnoresTheTag) {
  for (const char* tag : {"cuda:0", "cuda:99", "xla:0", "foo", "cuda0"}) {
    EXPECT_EQ(resolve_location(tag, MapLocation::to(Device::cpu()), kCpuOnly), Device::cpu());
    EXPECT_EQ(resolve_location(tag, MapLocation::to({"cuda", 0}), kOneGpu), (Device{"cuda", 0}));
  }
  EXPECT_TRUE(message_of("cpu", MapLocation::to({"cuda", 3}), kOneGpu).starts_with("Attempting to deserialize"));
}

TEST(ResolveLocationTest, AMapMatchesExactlyAndOnce) {
  const MapLocation map = MapLocation::remap({{"cuda:1", {"cuda", 0}}, {"cuda:0", Device::cpu()}});
  EXPECT_EQ(resolve_location("cuda:1", map, kOneGpu), (Device{"cuda", 0}));
  EXPECT_EQ(resolve_location("cuda:0", map, kOneGpu), Device::cpu());
  EXPECT_EQ(resolve_location("cpu", map, kOneGpu), Device::cpu());
  EXPECT_TRUE(message_of("cuda:2", map, kOneGpu).starts_with("Attempting to deserialize object on CUDA device 2"));
  EXPECT_TRUE(message_of("cuda", MapLocation::remap({{"cuda:0", Device::cpu()}}), kCpuOnly)
                  .starts_with("Attempting to deserialize object on a CUDA device"));
}

TEST(ResolveLocationTest, AFunctionMayLeaveALocationAsSaved) {
  std::vector<std::string> asked;
  const MapLocation by = MapLocation::by([&asked](const std::string& saved) -> std::optional<Device> {
    asked.push_back(saved);
    if (saved == "cuda:1") return Device::cpu();
    return std::nullopt;
  });
  EXPECT_EQ(resolve_location("cuda:1", by, kCpuOnly), Device::cpu());
  EXPECT_EQ(resolve_location("cpu", by, kCpuOnly), Device::cpu());
  EXPECT_TRUE(message_of("cuda:0", by, kCpuOnly).starts_with("Attempting to deserialize"));
  EXPECT_EQ(asked, (std::vector<std::string>{"cuda:1", "cpu", "cuda:0"}));
}

TEST(ResolveLocationTest, KnowsARenamedBackend) {
  class Renamed : public Machine {
   public:
    Renamed() : Machine({{"cpu", 1}, {"npu", 2}}) {}
    std::string privateuse1_name() const override { return "npu"; }
  } machine;
  EXPECT_EQ(resolve_location("npu:1", MapLocation::as_saved(), machine), (Device{"npu", 1}));
  EXPECT_EQ(resolve_location("npu", MapLocation::as_saved(), machine), (Device{"npu", 0}));
  EXPECT_TRUE(message_of("npu:2", MapLocation::as_saved(), machine).starts_with("Attempting to deserialize object on NPU"));
}

}  // namespace
}  // namespace torchferry
