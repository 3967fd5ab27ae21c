#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "container/zip_archive.h"

namespace torchferry::zip {

/// Finds records by the part of their names below the root: a flat table with open addressing, hashed on the
/// name in (ASCII) lower case, so that one table serves exact look-up and finds names that differ only in
/// case. Holds no names itself; the records it was built from must be given to each call.
class NameTable {
 public:
  /// Fills the table. Returns the first record, in order, whose name is equal to an earlier one's when case
  /// is ignored, with that earlier one; the table is of use only where there is none.
  struct Twins {
    std::uint32_t earlier, later;
  };
  std::optional<Twins> build(std::span<const Record> records, std::size_t prefix);

  std::optional<std::uint32_t> find(std::span<const Record> records, std::string_view name) const noexcept;

 private:
  struct Slot {
    std::uint32_t tag = 0;     ///< the high half of the hash
    std::uint32_t number = 0;  ///< of the record, from 1; 0 is a free slot
  };

  std::vector<Slot> slots_;  ///< a power of two, at most two thirds used
  std::size_t prefix_ = 0;   ///< bytes of the root and its '/'
};

}  // namespace torchferry::zip
