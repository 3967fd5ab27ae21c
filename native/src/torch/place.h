#pragma once

#include <c10/core/Storage.h>
#include <torchferry/checkpoint.h>
#include <torchferry/load_options.h>
#include <torchferry/plan.h>

#include <span>
#include <vector>

#include "torch/arrivals.h"

namespace torchferry {

/// The storages of a load where the plan wants them: mapped, read, or copied to a device.
struct PlacedStorages {
  std::vector<c10::Storage> storages;  ///< by row of the table; null where the load does not need one
  std::uint64_t bytes_mapped = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_copied_to_devices = 0;
  std::uint64_t bytes_pinned = 0;
};

/// Carries out `plan` for `entries`, of which it needs the dtypes: a CPU storage whose place in the file does
/// not suit the alignment of a tensor in it is read instead of mapped. `arrivals` (may be null) hears of each storage.
/// Everything taken is given back when it throws.
PlacedStorages place_storages(const Checkpoint& checkpoint, std::span<const Entry> entries, const LoadPlan& plan,
                              const LoadOptions& options, Arrivals* arrivals = nullptr);

}  // namespace torchferry
