#pragma once

#include <torchferry/error.h>
#include <torchferry/load_options.h>

#include <cstddef>
#include <string>

#include "opened_checkpoint.h"

#ifndef TORCHFERRY_VERSION
#define TORCHFERRY_VERSION "unversioned"
#endif

namespace torchferry::jni {

/// What the two libraries must have in common to hand each other a Checkpoint: the version of the sources,
/// the compiler, its library, and the layout of the types that cross.
inline std::string build_id() {
  std::string id = std::string(TORCHFERRY_VERSION) + ", compiler " + __VERSION__ + ", libstdc++ " +
                   std::to_string(__GLIBCXX__) + " abi " +
                   std::to_string(_GLIBCXX_USE_CXX11_ABI) + ", layout";
  for (const std::size_t size :
       {sizeof(OpenedCheckpoint), sizeof(TensorTable), sizeof(TensorRow), sizeof(StorageRow), sizeof(Entry),
        sizeof(Value), sizeof(OpenOptions), sizeof(LoadOptions), sizeof(Error)}) {
    id += " " + std::to_string(size);
  }
  return id;
}

}  // namespace torchferry::jni
