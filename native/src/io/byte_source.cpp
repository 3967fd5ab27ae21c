#include "io/byte_source.h"

#include <torchferry/error.h>

#include "base/checked.h"

namespace torchferry {

void ByteSource::require_range(std::uint64_t offset, std::uint64_t length) const {
  if (range_within(offset, length, size_)) return;
  throw Error(ErrorCode::corrupt, name_, {}, offset,
              std::to_string(length) + " bytes are wanted from here, which passes the end (" +
                  std::to_string(size_) + " bytes in all)");
}

std::shared_ptr<std::byte> ByteSource::empty_map() noexcept {
  static std::byte nothing{};
  return {std::shared_ptr<void>(), &nothing};
}

}  // namespace torchferry
