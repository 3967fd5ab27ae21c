#include <torchferry/error.h>

#include <utility>

namespace torchferry {
namespace {

/// The text with its control characters as \xNN, so that a name out of a file can neither steer the terminal that
/// shows it nor pretend to be another line. Those beyond ASCII (U+0080 to U+009F) too.
std::string visible(const std::string& text, bool keep_lines) {
  constexpr const char* digits = "0123456789abcdef";
  std::string shown;
  shown.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto code = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    const bool line = keep_lines && (code == '\n' || code == '\t');
    if ((code < 0x20 && !line) || code == 0x7F) {
      shown += {'\\', 'x', digits[code >> 4], digits[code & 0xF]};
    } else if (code == 0xC2 && next >= 0x80 && next <= 0x9F) {
      shown += {'\\', 'x', digits[next >> 4], digits[next & 0xF]};
      ++i;
    } else {
      shown += text[i];
    }
  }
  return shown;
}

/// PyTorch's own messages have several lines; what is said of a file has one.
bool has_lines(ErrorCode code) {
  return code != ErrorCode::corrupt && code != ErrorCode::unsafe && code != ErrorCode::unsupported &&
         code != ErrorCode::limit_exceeded && code != ErrorCode::io;
}

std::string place_and_message(ErrorCode code, const std::string& file, const std::string& record,
                              std::optional<std::uint64_t> offset, const std::string& message) {
  std::string text = visible(file, false);
  const auto separate = [&text](const char* separator) {
    if (!text.empty()) text += separator;
  };
  if (!record.empty()) {
    separate(": ");
    text += "record " + visible(record, false);
  }
  if (offset) {
    separate(record.empty() ? ": " : ", ");
    text += "byte " + std::to_string(*offset);
  }
  separate(": ");
  return text + visible(message, has_lines(code));
}

}  // namespace

const char* name(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::corrupt: return "corrupt";
    case ErrorCode::unsafe: return "unsafe";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::limit_exceeded: return "limit_exceeded";
    case ErrorCode::io: return "io";
    case ErrorCode::device_unavailable: return "device_unavailable";
    case ErrorCode::incompatible_keys: return "incompatible_keys";
    case ErrorCode::invalid_argument: return "invalid_argument";
    case ErrorCode::out_of_memory: return "out_of_memory";
    case ErrorCode::cancelled: return "cancelled";
  }
  return "unknown";
}

Error::Error(ErrorCode code, std::string message) : Error(code, {}, {}, std::nullopt, std::move(message)) {}

Error::Error(ErrorCode code, std::string file, std::string record, std::optional<std::uint64_t> offset,
             std::string message)
    : std::runtime_error(place_and_message(code, file, record, offset, message)),
      code_(code),
      file_(std::move(file)),
      record_(std::move(record)),
      offset_(offset),
      message_(std::move(message)) {}

Error Error::in(const std::string& file, const std::string& record) const {
  return Error(code_, file_.empty() ? file : file_, record_.empty() ? record : record_, offset_, message_);
}

}  // namespace torchferry
