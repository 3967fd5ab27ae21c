#include <fcntl.h>
#include <torchferry/error.h>
#include <torchferry/page_cache.h>

#include <cerrno>
#include <system_error>

#include "io/descriptor.h"

namespace torchferry {

void evict_from_page_cache(const std::filesystem::path& path) {
  const auto fail = [&path](int error) {
    throw Error(ErrorCode::io, path.native(), {}, std::nullopt,
                "cannot be taken out of the page cache: " + std::generic_category().message(error));
  };
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 || ::fdatasync(file.get()) != 0) fail(errno);
  // This one returns the error instead of setting errno.
  if (const int error = ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED); error != 0) fail(error);
}

}  // namespace torchferry
