#pragma once

#include <cstddef>
#include <span>

namespace torchferry {

/// Takes bytes in order: the counterpart of ByteSource for what is written once, from front to back.
class ByteSink {
 public:
  virtual ~ByteSink() = default;

  /// Appends all of `bytes`. Throws Error(io); what is behind the sink is of no use then.
  virtual void write(std::span<const std::byte> bytes) = 0;
};

}  // namespace torchferry
