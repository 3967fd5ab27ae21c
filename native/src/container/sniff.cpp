#include "container/sniff.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/checked.h"
#include "container/little_endian.h"

namespace torchferry {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kStartBytes = 512;
constexpr std::uint64_t kLargestSafetensorsHeader = 100'000'000;

/// The pickled long 0x1950a86a20f9469cfc6c that starts torch.save's legacy files, after PROTO (and FRAME).
constexpr std::string_view kLegacyMagic = "\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19\x2E"sv;
constexpr std::string_view kFrame = "\x95\x0D\x00\x00\x00\x00\x00\x00\x00"sv;

class Start {
 public:
  explicit Start(const ByteSource& source)
      : size_(static_cast<std::size_t>(std::min<std::uint64_t>(source.size(), kStartBytes))) {
    source.read_at(0, {bytes_.data(), size_});
  }

  std::string_view text() const noexcept { return {reinterpret_cast<const char*>(bytes_.data()), size_}; }
  const std::byte* bytes() const noexcept { return bytes_.data(); }
  bool has(std::string_view what, std::size_t at = 0) const noexcept {
    return text().substr(std::min(at, size_)).starts_with(what);
  }
  /// The first byte that is no white space, from `at` on.
  char first_solid(std::size_t at) const noexcept {
    const std::size_t found = text().find_first_not_of(" \t\r\n", at);
    return found == std::string_view::npos ? '\0' : text()[found];
  }

 private:
  std::array<std::byte, kStartBytes> bytes_;
  std::size_t size_;
};

bool is_safetensors(const Start& start, std::uint64_t file_size) noexcept {
  if (file_size < 10) return false;
  const std::uint64_t header = load_u64(start.bytes());
  return header <= kLargestSafetensorsHeader && range_within(8, header, file_size) &&
         start.first_solid(8) == '{';
}

bool is_pickle(const Start& start) noexcept {
  const std::string_view text = start.text();
  return text.size() >= 2 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5;
}

bool is_legacy(const Start& start) noexcept {
  if (!is_pickle(start)) return false;
  return start.has(kLegacyMagic, 2) || (start.has(kFrame, 2) && start.has(kLegacyMagic, 2 + kFrame.size()));
}

struct Meaning {
  std::string_view start;
  const char* what;
};

constexpr Meaning kMeanings[] = {
    {"\x1F\x8B"sv, "gzip: unpack it first"},
    {"BZh"sv, "bzip2: unpack it first"},
    {"\xFD\x37zXZ"sv, "xz: unpack it first"},
    {"\x28\xB5\x2F\xFD"sv, "zstd: unpack it first"},
    {"7z\xBC\xAF"sv, "a 7-Zip archive: unpack it first"},
    {"\x89HDF\r\n\x1A\n"sv, "HDF5, as Keras writes it"},
    {"\x93NUMPY"sv, "a NumPy array"},
    {"GGUF"sv, "GGUF, as llama.cpp reads it"},
    {"PK\x05\x06"sv, "an empty zip archive"},
    {"PK\x07\x08"sv, "a split zip archive: join the parts into one file"},
    {"version https://git-lfs"sv, "a Git LFS pointer instead of the file: run `git lfs pull`"},
    {"\x7F"
     "ELF"sv, "a program or shared library"},
    {"%PDF"sv, "a PDF document"},
    {"\x89PNG"sv, "a PNG image"},
    {"\xFF\xD8\xFF"sv, "a JPEG image"},
};

/// What a file whose first bytes name no format of PyTorch usually is; empty when nothing is known.
std::string usual_meaning(const Start& start) {
  for (const Meaning& meaning : kMeanings) {
    if (start.has(meaning.start)) return meaning.what;
  }
  if (start.first_solid(0) == '<') return "an HTML or XML page: the download failed, fetch the file again";
  const std::string_view text = start.text();
  if (text.find_first_not_of('\0') == std::string_view::npos) {
    return "zeros only: the download or the copy was interrupted, fetch the file again";
  }
  return {};
}

std::string hex_and_text(std::string_view bytes) {
  constexpr const char* digits = "0123456789abcdef";
  std::string hex;
  std::string text;
  for (const char c : bytes) {
    const auto code = static_cast<unsigned char>(c);
    if (!hex.empty()) hex += ' ';
    hex += {digits[code >> 4], digits[code & 0xF]};
    text += code >= 0x20 && code < 0x7F ? c : '.';
  }
  return text.find_first_not_of('.') == std::string::npos ? hex : hex + " \"" + text + '"';
}

}  // namespace

FileKind sniff(const ByteSource& source) {
  const Start start(source);
  if (start.has("PK\x03\x04"sv)) return FileKind::zip;
  if (start.has("PYTORCH1"sv)) return FileKind::preview_archive;
  if (start.has("PTMF"sv, 4)) return FileKind::flatbuffer;
  if (start.has("ustar"sv, 257)) return FileKind::tar;
  if (is_legacy(start)) return FileKind::legacy;
  // Before pickles: a header of 640 bytes starts with 80 02 as well.
  if (is_safetensors(start, source.size())) return FileKind::safetensors;
  if (is_pickle(start)) return FileKind::pickle;
  if (start.first_solid(start.has("\xEF\xBB\xBF"sv) ? 3 : 0) == '{') return FileKind::json;
  return FileKind::unknown;
}

std::string describe_start(const ByteSource& source) {
  const Start start(source);
  if (start.text().empty()) return "the file is empty";
  const std::string meaning = usual_meaning(start);
  return "it starts with " + hex_and_text(start.text().substr(0, 8)) +
         (meaning.empty() ? std::string() : " (" + meaning + ")");
}

}  // namespace torchferry
