#include <cstddef>
#include <cstdint>
#include <span>

#include "fuzz/targets.h"

// One program for each target: what libFuzzer calls. An exception that gets out is a finding.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  torchferry::fuzz::TORCHFERRY_FUZZ_TARGET(std::as_bytes(std::span(data, size)));
  return 0;
}
