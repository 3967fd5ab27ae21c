// A program outside Torchferry: an installed header and archive are enough to refuse a file that is no checkpoint.

#include <torchferry/checkpoint.h>
#include <torchferry/error.h>

#include <cstddef>
#include <cstdio>
#include <span>
#include <string>

int main() {
  const std::string text = "no checkpoint at all";
  try {
    torchferry::Checkpoint::open(std::as_bytes(std::span(text)), nullptr, "text", {});
  } catch (const torchferry::Error& error) {
    std::printf("%s: %s\n", torchferry::name(error.code()), error.what());
    return error.code() == torchferry::ErrorCode::io ? 1 : 0;
  }
  return 1;
}
