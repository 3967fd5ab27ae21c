#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace torchferry {

/// UTF-8 here is what Python's "surrogatepass" reads and writes: a lone surrogate (U+D800 to U+DFFF) may
/// stand as its three-byte sequence. Overlong forms and code points above U+10FFFF are refused as ever.

/// Length of the longest prefix of `text` that is UTF-8; all of `text` when it is well formed.
std::size_t utf8_prefix(std::string_view text) noexcept;

inline bool is_utf8(std::string_view text) noexcept { return utf8_prefix(text) == text.size(); }

/// As `is_utf8`, but without surrogates: what other programs than Python call UTF-8.
bool is_strict_utf8(std::string_view text) noexcept;

bool is_ascii(std::string_view text) noexcept;

/// Appends `latin1`, one code point a byte, as UTF-8: at most two bytes for each.
void append_latin1_as_utf8(std::string_view latin1, std::string& out);

/// Appends the code points of `text`, which must be UTF-8, as one byte each. False, with `out` as it was,
/// when one of them is above U+00FF.
bool append_utf8_as_latin1(std::string_view text, std::string& out);

}  // namespace torchferry
