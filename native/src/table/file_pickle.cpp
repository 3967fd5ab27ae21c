#include "table/file_pickle.h"

#include <torchferry/error.h>

#include <algorithm>

#include "base/limit_error.h"
#include "pickle/machine.h"

namespace torchferry {

FilePickle read_file_pickle(const PickleStretch& stretch, std::uint64_t start, const Limits& limits) {
  const std::uint64_t left = stretch.end - std::min(start, stretch.end);
  const std::uint64_t most = std::min(left, limits.pickle_bytes);
  std::uint64_t size = std::min<std::uint64_t>(stretch.first_read, most);
  for (;;) {
    FilePickle part;
    part.bytes.resize(static_cast<std::size_t>(size));
    stretch.source.read_at(start, part.bytes);
    try {
      pickle::Parsed parsed = pickle::parse(part.bytes, limits);
      part.tree = std::move(parsed.tree);
      part.end = start + parsed.consumed;
      return part;
    } catch (const Error& error) {
      if (size < most) {
        size = std::min(most, size * 8);
        continue;
      }
      if (size < left) {
        throw Error(ErrorCode::limit_exceeded, {}, stretch.record, start - stretch.origin,
                    over_limit("the pickle goes on", "pickle_bytes", limits.pickle_bytes));
      }
      throw Error(error.code(), {}, stretch.record, start - stretch.origin + error.offset().value_or(0),
                  error.message());
    }
  }
}

}  // namespace torchferry
