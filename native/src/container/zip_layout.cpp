#include "container/zip_layout.h"

namespace torchferry::zip {

Piece Piece::read(const ByteSource& source, std::uint64_t offset, std::size_t size) {
  Piece piece{offset, size, std::make_unique_for_overwrite<std::byte[]>(size)};
  source.read_at(offset, {piece.bytes.get(), size});
  return piece;
}

Error layout_error(ErrorCode code, const ByteSource& source, Place place, std::uint64_t offset,
                   std::string_view name, const std::string& message) {
  const char* where = "";
  if (place == Place::listing) where = " (the byte is the file's, where the directory lists the record)";
  if (place == Place::local_header) where = " (the byte is the file's, where the record's local header lies)";
  return Error(code, source.name(), shown(name), offset, message + where);
}

std::string shown(std::string_view name) {
  constexpr std::size_t longest = 200;
  constexpr const char* digits = "0123456789abcdef";
  std::string text;
  for (const char c : name.substr(0, longest)) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 0x7F || c == '"' || c == '\\') {
      text += {'\\', 'x', digits[code >> 4], digits[code & 0xF]};
    } else {
      text += c;
    }
  }
  if (name.size() > longest) text += "... (" + std::to_string(name.size()) + " bytes)";
  return text;
}

}  // namespace torchferry::zip
