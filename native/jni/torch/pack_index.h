#pragma once

#include <torchferry/state_dict.h>

#include <string>

namespace torchferry::jni {

/// The names and facts of all tensors of a dict, packed for io.torchferry.TensorIndex to read in place.
std::string packed_index(const StateDict& dict);

/// Whether the elements in row-major order are the bytes in memory: a contiguous strided CPU tensor without
/// conj or neg bit.
bool is_plain(const at::Tensor& tensor);

/// Bytes of the elements: numel × itemsize, packed types by their items.
std::uint64_t element_bytes(const at::Tensor& tensor);

}  // namespace torchferry::jni
