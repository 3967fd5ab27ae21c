#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "container/zip_builder.h"

namespace torchferry::testing {

/// The library of a compiled model, of tests/native/compiled_model.
inline std::string compiled_library(const std::string& variant = "") {
  std::ifstream file(std::filesystem::path(TORCHFERRY_LIBRARIES) / ("libtorchferry_compiled_model" + variant + ".so"),
                     std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::string aoti_metadata(const std::string& device = "cpu", const std::string& instructions = "",
                                 const std::string& machine = "x86_64") {
  return R"({"AOTI_DEVICE_KEY": ")" + device + R"(", "AOTI_PLATFORM": "linux", "AOTI_MACHINE": ")" + machine +
         R"(", "AOTI_CPU_ISA": ")" + instructions + R"(", "trained": "today"})";
}

/// A .pt2 package like those of aoti_compile_and_package, to which more records may be added.
inline ZipBuilder aoti_package(const std::string& library = compiled_library(),
                               const std::string& metadata = aoti_metadata()) {
  ZipBuilder zip;
  const std::string folder = "net/data/aotinductor/model/";
  zip.add(folder + "cabc.wrapper.cpp", "// the source");
  zip.add(folder + "cabc.wrapper_metadata.json", metadata);
  if (!library.empty()) zip.add(folder + "cabc.wrapper.so", library);
  zip.add("net/archive_format", "pt2");
  zip.add("net/archive_version", "0");
  return zip;
}

}  // namespace torchferry::testing
