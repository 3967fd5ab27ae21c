#pragma once

#include <cstddef>
#include <functional>

namespace torchferry {

/// Calls `work(i)` for each i below `count`, in order of i as far as threads come free, on up to `threads` threads
/// (0: as many as there are processors, at most 8), this one among them. Returns when all are done; the first
/// exception stops the rest and is thrown here. Fewer threads do the work where the system gives no more.
void for_each_parallel(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& work);

}  // namespace torchferry
