#include <cstring>
#include <utility>

#include "io/byte_source.h"

namespace torchferry {
namespace {

class MemorySource final : public ByteSource {
 public:
  MemorySource(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string name)
      : ByteSource(std::move(name), bytes.size()), bytes_(bytes.data()), owner_(std::move(owner)) {}

  void read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    require_range(offset, out.size());
    if (!out.empty()) std::memcpy(out.data(), bytes_ + offset, out.size());
  }

  std::shared_ptr<const std::byte> map() const override {
    if (size() == 0) return empty_map();
    return {owner_, bytes_};
  }

 private:
  const std::byte* bytes_;
  std::shared_ptr<const void> owner_;
};

}  // namespace

std::shared_ptr<const ByteSource> memory_source(std::span<const std::byte> bytes,
                                                std::shared_ptr<const void> owner, std::string name) {
  return std::make_shared<MemorySource>(bytes, std::move(owner), std::move(name));
}

}  // namespace torchferry
