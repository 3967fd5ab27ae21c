#pragma once

#include <c10/core/StorageImpl.h>

#include <cstddef>

namespace torchferry::fake {

/// Gives a resizable device storage another size, keeping the bytes both sizes have. New memory on the same
/// index.
void resize_storage(c10::StorageImpl* storage, size_t bytes);

}  // namespace torchferry::fake
