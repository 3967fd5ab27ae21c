#include <torchferry/error.h>

#include <utility>

#include "base/checked.h"
#include "io/byte_source.h"

namespace torchferry {
namespace {

class WindowSource final : public ByteSource {
 public:
  WindowSource(std::shared_ptr<const ByteSource> base, std::uint64_t offset, std::uint64_t size)
      : ByteSource(base->name(), size), base_(std::move(base)), offset_(offset) {}

  void read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    require_range(offset, out.size());
    base_->read_at(offset_ + offset, out);
  }

  std::shared_ptr<const std::byte> map() const override {
    auto all = base_->map();
    const std::byte* const start = all.get() + offset_;
    return {std::move(all), start};
  }

  std::shared_ptr<std::byte> map_private() const override {
    auto all = base_->map_private();
    if (!all) return nullptr;
    std::byte* const start = all.get() + offset_;
    return {std::move(all), start};
  }

  bool can_map_privately() const noexcept override { return base_->can_map_privately(); }
  bool is_remote() const noexcept override { return base_->is_remote(); }

 private:
  const std::shared_ptr<const ByteSource> base_;
  const std::uint64_t offset_;
};

}  // namespace

std::shared_ptr<const ByteSource> window_source(std::shared_ptr<const ByteSource> base, std::uint64_t offset,
                                                std::uint64_t size) {
  if (!range_within(offset, size, base->size())) {
    throw Error(ErrorCode::corrupt, base->name(), {}, offset,
                "a part of " + std::to_string(size) + " bytes is said to be here, which passes the end (" +
                    std::to_string(base->size()) + " bytes in all)");
  }
  return std::make_shared<WindowSource>(std::move(base), offset, size);
}

}  // namespace torchferry
