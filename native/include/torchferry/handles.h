#pragma once

#include <torchferry/state_dict.h>

#include <cstdint>

namespace torchferry {

// State dicts between Java and C++ code of the host application that links to Torchferry itself: Java's
// StateDict.toHandle() gives a handle, the application's own JNI function passes it on as a jlong, and C++ takes it; and
// the other way round with share(…) and Java's StateDict.fromHandle(handle).
//
// A handle is one reference: whoever has it takes it exactly once, or releases it. Nothing is copied: the tensors on
// both sides are the same objects' storages, and live until the last side lets go. What passes are plain tensors and
// names, so the two sides may be different builds of Torchferry; they must run on one libtorch.

/// A new handle on the dict.
std::int64_t share(const StateDict& dict);

/// The dict of a handle, which is used up. Throws Error(invalid_argument) for 0 and for a handle on something else
/// or one that was taken before (as far as its memory still tells), Error(unsupported) when it was made for another
/// libtorch; the handle is not used up then.
StateDict take(std::int64_t handle);

/// Gives a handle up that nobody takes. Throws as `take` does.
void release(std::int64_t handle);

}  // namespace torchferry
