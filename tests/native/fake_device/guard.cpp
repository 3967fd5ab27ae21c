// Registers the device type with libtorch: guard, hooks, allocator, default generators.

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/Allocator.h>
#include <c10/core/DeviceType.h>
#include <c10/core/StorageImpl.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/Exception.h>

#include <memory>
#include <vector>

#include "fake_device/ledger.h"
#include "fake_device/memory.h"
#include "fake_device/runtime.h"
#include "fake_device/storage.h"

namespace torchferry::fake {

namespace {

using EventHandle = std::shared_ptr<EventState>;

EventHandle& event_at(void* event) {
  TORCH_CHECK(event != nullptr, "FAKE error: the event was never recorded");
  return *static_cast<EventHandle*>(event);
}

class Guard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return c10::DeviceType::PrivateUse1; }
  c10::DeviceIndex deviceCount() const noexcept override {
    return static_cast<c10::DeviceIndex>(Ledger::get().device_count());
  }

  c10::Device getDevice() const override { return device_at(current_index()); }
  void setDevice(c10::Device device) const override { set_current_index(checked_index(device)); }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    if (device.has_index()) set_current_index(device.index());
  }
  c10::Device exchangeDevice(c10::Device device) const override {
    const c10::Device previous = getDevice();
    setDevice(device);
    return previous;
  }
  c10::DeviceCapability getDeviceCapability(c10::Device device) const override {
    checked_index(device);
    return {};
  }

  c10::Stream getStream(c10::Device device) const override { return current_stream(checked_index(device)); }
  c10::Stream getDefaultStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::DEFAULT, device_at(checked_index(device)));
  }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool /*high_priority*/) const override {
    return pooled_stream(checked_index(device));
  }
  c10::Stream getNewStream(c10::Device device, int /*priority*/) const override {
    return new_stream(checked_index(device));
  }
  c10::Stream exchangeStream(c10::Stream stream) const override { return exchange_current_stream(stream); }
  bool queryStream(const c10::Stream& stream) const override { return queue_of(stream).idle(); }
  void synchronizeStream(const c10::Stream& stream) const override { queue_of(stream).synchronize(); }
  void synchronizeDevice(c10::DeviceIndex index) const override { synchronize_index(checked_index(index)); }

  void record(void** event, const c10::Stream& stream, c10::DeviceIndex /*index*/,
              c10::EventFlag /*flag*/) const override {
    if (*event == nullptr) *event = new EventHandle(std::make_shared<EventState>());
    record_event(event_at(*event), stream);
  }
  void block(void* event, const c10::Stream& stream) const override {
    if (event != nullptr) block_stream(event_at(event), stream);
  }
  bool queryEvent(void* event) const override { return event == nullptr || event_at(event)->done(); }
  void synchronizeEvent(void* event) const override {
    if (event != nullptr) event_at(event)->wait();
  }
  double elapsedTime(void* first, void* second, c10::DeviceIndex /*index*/) const override {
    TORCH_CHECK(queryEvent(first) && queryEvent(second), "FAKE error: an event is not done yet");
    return event_at(second)->done_at_ms() - event_at(first)->done_at_ms();
  }
  void destroyEvent(void* event, c10::DeviceIndex /*index*/) const noexcept override {
    delete static_cast<EventHandle*>(event);
  }
};

/// A CPU generator that says it belongs to a device. Operators without an explicit generator draw from the
/// CPU's default.
struct DeviceGenerator final : at::CPUGeneratorImpl {
  explicit DeviceGenerator(int index) { device_ = device_at(index); }
};

class Hooks final : public at::PrivateUse1HooksInterface {
 public:
  Hooks() {
    for (int index = 0; index < TF_FAKE_MAX_DEVICES; ++index)
      generators_.push_back(at::make_generator<DeviceGenerator>(index));
  }

  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return deviceCount() > 0; }
  bool hasPrimaryContext(c10::DeviceIndex index) const override {
    return index >= 0 && index < deviceCount();
  }
  c10::DeviceIndex deviceCount() const override {
    return static_cast<c10::DeviceIndex>(Ledger::get().device_count());
  }
  c10::DeviceIndex getCurrentDevice() const override {
    return static_cast<c10::DeviceIndex>(current_index());
  }
  void setCurrentDevice(c10::DeviceIndex index) const override { set_current_index(checked_index(index)); }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex index) const override {
    const c10::DeviceIndex previous = getCurrentDevice();
    setCurrentDevice(index);
    return previous;
  }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex index) const override {
    return exchangeDevice(index);
  }

  at::Allocator* getPinnedMemoryAllocator() const override { return pinned_allocator(); }
  bool isPinnedPtr(const void* address) const override { return find_pinned(address) != nullptr; }
  at::Device getDeviceFromPtr(void* address) const override {
    const std::shared_ptr<Block> block = find_block(address);
    TORCH_CHECK(block, "FAKE error: ", address, " is not device memory");
    return device_at(block->index());
  }

  const at::Generator& getDefaultGenerator(c10::DeviceIndex index) const override {
    return generators_[checked_index(index)];
  }
  at::Generator getNewGenerator(c10::DeviceIndex index) const override {
    return at::make_generator<DeviceGenerator>(checked_index(index));
  }
  void resizePrivateUse1Bytes(const c10::Storage& storage, size_t bytes) const override {
    resize_storage(storage.unsafeGetStorageImpl(), bytes);
  }

 private:
  std::vector<at::Generator> generators_;
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

/// Naming the backend, even by the name it has anyway, is what makes it libtorch's accelerator
/// (at::getAccelerator).
[[maybe_unused]] const bool registered = [] {
  c10::register_privateuse1_backend("privateuseone");
  c10::SetAllocator(c10::DeviceType::PrivateUse1, device_allocator());
  at::RegisterPrivateUse1HooksInterface(new Hooks);
  return true;
}();

}  // namespace

}  // namespace torchferry::fake
