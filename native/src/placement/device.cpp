#include <torchferry/device.h>
#include <torchferry/error.h>

#include <charconv>

namespace torchferry {
namespace {

[[noreturn]] void invalid(std::string_view text) {
  throw Error(ErrorCode::invalid_argument, "Invalid device string: '" + std::string(text) + "'");
}

bool is_type_name(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  for (const char c : text) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!word) return false;
  }
  return true;
}

}  // namespace

Device Device::parse(std::string_view text) {
  const std::size_t colon = text.find(':');
  Device device{std::string(text.substr(0, colon)), -1};
  if (!is_type_name(device.type)) invalid(text);
  if (colon == std::string_view::npos) {
    // "cuda0" is no type: torch refuses it, and so a forgotten colon is told early.
    if (device.type.back() >= '0' && device.type.back() <= '9') invalid(text);
    return device;
  }
  const std::string_view digits = text.substr(colon + 1);
  const bool leading_zero = digits.size() > 1 && digits[0] == '0';
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), device.index);
  if (error != std::errc{} || end != digits.data() + digits.size() || digits.empty() || leading_zero ||
      device.index < 0 || device.index > 127) {
    invalid(text);
  }
  return device;
}

std::string Device::str() const { return index < 0 ? type : type + ":" + std::to_string(index); }

}  // namespace torchferry
