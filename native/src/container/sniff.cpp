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
  explicit Start(const ByteSource& source, std::uint64_t at = 0)
      : size_(static_cast<std::size_t>(std::min<std::uint64_t>(source.size() - at, kStartBytes))) {
    source.read_at(at, {bytes_.data(), size_});
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
  std::size_t at;
  std::string_view bytes;
  const char* what;
};

constexpr Meaning kMeanings[] = {
    {0, "\x1F\x8B"sv, "gzip: unpack it first"},
    {0, "BZh"sv, "bzip2: unpack it first"},
    {0, "\xFD\x37zXZ"sv, "xz: unpack it first"},
    {0, "\x28\xB5\x2F\xFD"sv, "zstd: unpack it first"},
    {0, "\x04\x22\x4D\x18"sv, "lz4: unpack it first"},
    {0, "7z\xBC\xAF"sv, "a 7-Zip archive: unpack it first"},
    {0, "Rar!\x1A\x07"sv, "a RAR archive: unpack it first"},
    {0, "\x89HDF\r\n\x1A\n"sv, "HDF5, as Keras writes it: not a format of PyTorch"},
    {0, "\x93NUMPY"sv, "a NumPy array: read it with NumPy and torch.save it"},
    {0, "GGUF"sv, "GGUF, as llama.cpp reads it: take the model's original weights"},
    {0, "lmgg"sv, "GGML, as llama.cpp once read it: take the model's original weights"},
    {0, "tjgg"sv, "GGML, as llama.cpp once read it: take the model's original weights"},
    {4, "TFL3"sv, "a TensorFlow Lite model: not a format of PyTorch"},
    {4, "ET12"sv, "an ExecuTorch program (.pte): save the model's state_dict with torch.save instead"},
    {4, "FT01"sv, "data of an ExecuTorch program (.ptd): save the model's state_dict with torch.save instead"},
    {0, "PK\x05\x06"sv, "an empty zip archive"},
    {0, "PK\x07\x08"sv, "a split zip archive: join the parts into one file"},
    {0, "version https://git-lfs"sv, "a Git LFS pointer instead of the file: run `git lfs pull`"},
    {0, "\x7F"
        "ELF"sv, "a program or shared library"},
    {0, "%PDF"sv, "a PDF document"},
    {0, "\x89PNG"sv, "a PNG image"},
    {0, "\xFF\xD8\xFF"sv, "a JPEG image"},
    {0, "SQLite format 3"sv, "an SQLite database"},
    {0, "PAR1"sv, "a Parquet table"},
};

/// ONNX has no magic number: its first fields are a small version and the printable name of the program that made it.
bool is_onnx(std::string_view text) noexcept {
  if (text.size() < 5 || text[0] != '\x08' || text[1] < 1 || text[1] > 31 || text[2] != '\x12') return false;
  const auto length = static_cast<unsigned char>(text[3]);
  const std::string_view producer = text.substr(4, length);
  return length != 0 && length < 64 && producer.size() == length &&
         std::all_of(producer.begin(), producer.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

/// What a file whose first bytes name no format of PyTorch usually is; empty when nothing is known.
std::string usual_meaning(const Start& start) {
  for (const Meaning& meaning : kMeanings) {
    if (start.has(meaning.bytes, meaning.at)) return meaning.what;
  }
  if (is_onnx(start.text())) return "an ONNX model: it holds a graph, not a checkpoint";
  if (start.first_solid(0) == '<') return "an HTML or XML page: the download failed, fetch the file again";
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

bool starts_legacy_save(const ByteSource& source, std::uint64_t at) {
  return at < source.size() && is_legacy(Start(source, at));
}

bool is_of_others(const ByteSource& source) { return !usual_meaning(Start(source)).empty(); }

std::string describe_start(const ByteSource& source) {
  const Start start(source);
  if (start.text().empty()) return "the file is empty";
  const bool zeros = start.text().find_first_not_of('\0') == std::string_view::npos;
  const std::string meaning =
      zeros ? "zeros only: the download or the copy was interrupted, fetch the file again" : usual_meaning(start);
  return "it starts with " + hex_and_text(start.text().substr(0, 8)) +
         (meaning.empty() ? std::string() : " (" + meaning + ")");
}

}  // namespace torchferry
