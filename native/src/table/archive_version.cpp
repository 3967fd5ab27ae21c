#include "table/archive_version.h"

#include <torchferry/error.h>

#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

namespace torchferry {

std::string small_text(const ZipArchive& archive, std::uint32_t record) {
  if (archive.records()[record].size > 64) {
    throw Error(ErrorCode::corrupt, {}, std::string(archive.records()[record].name), 0,
                "a record of " + std::to_string(archive.records()[record].size) + " bytes where a word is expected");
  }
  const std::vector<std::byte> bytes = archive.read(record, 64, "64 bytes", false);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void require_version(const ZipArchive& archive, int oldest, int newest) {
  auto record = archive.find(".data/version");
  if (!record) record = archive.find("version");
  if (!record) {
    throw Error(ErrorCode::corrupt, "the archive has no record 'version': it is not a PyTorch archive, or it was cut");
  }
  const std::string text = small_text(archive, *record);
  const auto refuse = [&](ErrorCode code, std::string message) {
    throw Error(code, {}, std::string(archive.records()[*record].name), 0, std::move(message));
  };
  int version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error != std::errc{} || rest.find_first_not_of(" \r\n\t") != std::string_view::npos) {
    refuse(ErrorCode::corrupt, "'" + text + "' is not a version");
  }
  if (version < oldest || version > newest) {
    refuse(ErrorCode::unsupported, "archive version " + std::to_string(version) + "; versions " +
                                       std::to_string(oldest) + " to " + std::to_string(newest) + " are known");
  }
}

}  // namespace torchferry
