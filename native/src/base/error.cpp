#include <torchferry/error.h>

#include <utility>

namespace torchferry {
namespace {

std::string place_and_message(const std::string& file, const std::string& record,
                              std::optional<std::uint64_t> offset, const std::string& message) {
  std::string text = file;
  const auto separate = [&text](const char* separator) {
    if (!text.empty()) text += separator;
  };
  if (!record.empty()) {
    separate(": ");
    text += "record " + record;
  }
  if (offset) {
    separate(record.empty() ? ": " : ", ");
    text += "byte " + std::to_string(*offset);
  }
  separate(": ");
  return text + message;
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
    : std::runtime_error(place_and_message(file, record, offset, message)),
      code_(code),
      file_(std::move(file)),
      record_(std::move(record)),
      offset_(offset),
      message_(std::move(message)) {}

Error Error::in(const std::string& file, const std::string& record) const {
  return Error(code_, file_.empty() ? file : file_, record_.empty() ? record : record_, offset_, message_);
}

}  // namespace torchferry
