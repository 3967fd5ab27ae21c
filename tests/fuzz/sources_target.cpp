#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "fuzz/reading.h"
#include "fuzz/targets.h"

namespace torchferry::fuzz {
namespace {

/// A file without a place in any folder; /proc gives it a path.
class UnnamedFile {
 public:
  explicit UnnamedFile(Bytes bytes) : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (descriptor_ < 0 ||
        ::write(descriptor_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      throw std::runtime_error("no file can be made");
    }
  }
  UnnamedFile(const UnnamedFile&) = delete;
  UnnamedFile& operator=(const UnnamedFile&) = delete;
  ~UnnamedFile() { ::close(descriptor_); }

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

void require_same(const std::string& one, const std::string& other, const char* what) {
  if (one != other) throw BrokenPromise(std::string(what) + " differ:\n" + one + "\n----\n" + other);
}

}  // namespace

void sources(Bytes input) {
  const UnnamedFile file(input);
  const std::string by_file = outcome([&] { return Checkpoint::open(file.path()); });
  const std::string in_memory = outcome([&] { return Checkpoint::open(input, nullptr, "memory"); });
  require_same(by_file, in_memory, "file and memory");
  const std::string mapped = outcome([&] {
    const auto map = Checkpoint::open(file.path()).map();  // outlives the checkpoint that made it
    return Checkpoint::open({map.get(), input.size()}, map, "mapping");
  });
  require_same(by_file, mapped, "file and mapping");
}

}  // namespace torchferry::fuzz
