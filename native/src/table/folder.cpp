#include "table/folder.h"

#include <torchferry/error.h>

#include <string>
#include <system_error>

namespace torchferry {
namespace {

namespace fs = std::filesystem;

/// Empty where the system cannot follow the links.
fs::path followed(const fs::path& path) {
  std::error_code failed;
  fs::path real = fs::canonical(path, failed);
  return failed ? fs::path() : real;
}

std::string quoted(std::string_view name) { return "'" + std::string(name.substr(0, 200)) + "'"; }

[[noreturn]] void refuse(std::string message) { throw Error(ErrorCode::corrupt, std::move(message)); }

bool starts_with_drive(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return name.size() >= 2 && name[1] == ':' && letter(name[0]);
}

void require_plain(std::string_view name) {
  using namespace std::string_view_literals;
  if (name.empty() || name == "." || name == ".." || name.find_first_of("/\\\0"sv) != std::string_view::npos ||
      starts_with_drive(name)) {
    refuse(quoted(name) + " is not the name of a file beside the index: a name without a path is allowed");
  }
}

}  // namespace

Folder::Folder(const fs::path& index, const std::string& index_name)
    : folder_(index.parent_path()),
      shown_(fs::path(index_name).parent_path()),
      real_(followed(folder_.empty() ? fs::path(".") : folder_)),
      origin_(followed(index).parent_path()) {}

std::shared_ptr<const ByteSource> Folder::open(std::string_view name) const {
  require_plain(name);
  const fs::path path = folder_ / fs::path(std::string(name));
  std::error_code failed;
  const fs::file_status status = fs::symlink_status(path, failed);
  if (status.type() == fs::file_type::not_found) {
    refuse(quoted(name) + " is not there: the checkpoint is incomplete, fetch the file or save again");
  }
  if (fs::is_symlink(status)) {
    const fs::path target = followed(path);
    if (target.empty()) refuse(quoted(name) + " is a link that leads to no file");
    if (target.parent_path() != real_ && target.parent_path() != origin_) {
      refuse(quoted(name) + " is a link that leads out of the folder, to " + target.native() +
             "; put a copy of the file in its place");
    }
  }
  return open_file(path, (shown_ / fs::path(std::string(name))).native());
}

}  // namespace torchferry
