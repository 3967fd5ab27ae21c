#include "container/json_text.h"

namespace torchferry {
namespace {

/// The letter of JSON's short escapes, 0 where a character has none.
char short_escape(char c) {
  switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (const char letter = short_escape(c); letter != 0) {
      out += '\\';
      out += letter;
    } else if (code < 0x20) {
      out.append("\\u00");
      out += kHex[code >> 4];
      out += kHex[code & 0xF];
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace torchferry
