#pragma once

#include <torchferry/checkpoint.h>

#include <span>
#include <string>

namespace torchferry::jni {

/// The tensors and storages of a checkpoint, packed for io.torchferry.TensorTable to read in place.
std::string packed_table(const Checkpoint& checkpoint);

/// Names and rows: what io.torchferry.TensorTable.entries reads.
std::string packed_entries(std::span<const Entry> entries);

}  // namespace torchferry::jni
