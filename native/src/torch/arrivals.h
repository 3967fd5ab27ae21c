#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/Storage.h>

#include <cstdint>
#include <memory>

namespace torchferry {

/// Hears of the storages of a load as their bytes arrive, each once. Called by the threads that load, several at once.
class Arrivals {
 public:
  virtual ~Arrivals() = default;

  /// `row` of the table lies in `storage`. Its bytes are there, or will be when `copied` (null: they are) has happened.
  virtual void arrived(std::uint32_t row, const c10::Storage& storage, std::shared_ptr<const c10::Event> copied) = 0;

  /// The tensor of a row of the table where it is made here because it is ready before the load's end; else undefined.
  /// Called when all storages have arrived. Throws what Materialiser::tensor throws.
  virtual at::Tensor tensor(std::uint32_t row) = 0;
};

}  // namespace torchferry
