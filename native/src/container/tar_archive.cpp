#include "container/tar_archive.h"

#include <torchferry/error.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "base/checked.h"
#include "base/limit_error.h"
#include "container/zip_layout.h"

// Blocks of 512 bytes: a header, then the content, filled up with zeros. Two blocks of zeros end the archive.

namespace torchferry {
namespace {

constexpr std::uint64_t kBlock = 512;
constexpr std::uint64_t kLargestExtension = 64 << 10;

using Block = std::array<char, kBlock>;

[[noreturn]] void refuse(ErrorCode code, std::uint64_t offset, std::string message) {
  throw Error(code, {}, kTarRecord, offset, std::move(message));
}

struct Field {
  std::size_t start, size;
};
constexpr Field kName{0, 100}, kSize{124, 12}, kChecksum{148, 8}, kType{156, 1}, kLink{157, 100}, kMagic{257, 8},
    kPrefix{345, 155};

std::string_view field(const Block& header, Field where) { return {header.data() + where.start, where.size}; }

/// Up to the first NUL.
std::string_view text(const Block& header, Field where) {
  const std::string_view whole = field(header, where);
  return whole.substr(0, whole.find('\0'));
}

bool is_blank(const Block& block) {
  return std::all_of(block.begin(), block.end(), [](char c) { return c == '\0'; });
}

/// Octal digits, ended by NUL or blank where the field is longer.
std::optional<std::uint64_t> octal(std::string_view digits) {
  while (digits.starts_with(' ')) digits.remove_prefix(1);
  while (!digits.empty() && (digits.back() == '\0' || digits.back() == ' ')) digits.remove_suffix(1);
  if (digits.empty()) return 0;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::uint64_t checksum(const Block& header) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const bool own = i >= kChecksum.start && i < kChecksum.start + kChecksum.size;
    sum += own ? ' ' : static_cast<unsigned char>(header[i]);
  }
  return sum;
}

std::string lower_case(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

const char* kind_of(char type) {
  switch (type) {
    case '1':
    case '2': return "a link";
    case '3':
    case '4':
    case '6': return "a device";
    case '5': return "a folder";
    case 'S': return "a sparse file";
    case 'L':
    case 'K': return "a long name in GNU's form";
    case 'g': return "an extended header for all members";
    default: return "of an unknown type";
  }
}

class Reader {
 public:
  Reader(const ByteSource& source, const Limits& limits) : source_(source), limits_(limits) {}

  std::vector<TarMember> run() {
    while (const std::optional<Block> header = next_header()) {
      if (field(*header, kType)[0] == 'x') {
        extend(content(*header));
      } else {
        add(*header);
      }
    }
    require_blank_rest();
    if (extended_) refuse(ErrorCode::corrupt, at_, "an extended header without a member");
    return std::move(members_);
  }

 private:
  /// The header at the current place, checked; nothing at the end mark.
  std::optional<Block> next_header() {
    start_ = at_;
    Block block;
    if (!range_within(at_, kBlock, source_.size())) {
      refuse(ErrorCode::corrupt, at_, "the archive ends without its end mark: it was cut");
    }
    source_.read_at(at_, std::as_writable_bytes(std::span(block)));
    at_ += kBlock;
    if (is_blank(block)) return std::nullopt;
    if (!field(block, kMagic).starts_with("ustar")) refuse(ErrorCode::corrupt, start_, "no tar header lies here");
    if (octal(field(block, kChecksum)) != checksum(block)) {
      refuse(ErrorCode::corrupt, start_, "the header's checksum is wrong: the file is damaged, fetch it again");
    }
    return block;
  }

  /// The content that follows a header; goes on to the next one.
  TarMember content(const Block& header) {
    std::optional<std::uint64_t> size = octal(field(header, kSize));
    if (!size) refuse(ErrorCode::unsupported, start_, "a size that is not written in octal digits");
    if (large_size_) {
      if (*size != 0 && *size != *large_size_) {
        refuse(ErrorCode::corrupt, start_, "the header's size differs from the one in the extended header");
      }
      size = large_size_;
    }
    std::string name(text(header, kName));
    const std::uint64_t blocks = *size / kBlock + (*size % kBlock != 0);
    if (blocks > (source_.size() - at_) / kBlock) {
      refuse(ErrorCode::corrupt, start_,
             "member '" + zip::shown(name) + "' of " + std::to_string(*size) +
                 " bytes passes the end of the file: it was cut, or the size is wrong");
    }
    TarMember member{std::move(name), at_, *size};
    at_ += blocks * kBlock;
    return member;
  }

  void add(const Block& header) {
    const char type = field(header, kType)[0];
    const std::string name = zip::shown(text(header, kName));
    if (type != '0' && type != '\0') {
      refuse(ErrorCode::unsupported, start_, "member '" + name + "' is " + kind_of(type) + ", not a regular file");
    }
    if (!text(header, kLink).empty() || !text(header, kPrefix).empty()) {
      refuse(ErrorCode::unsupported, start_, "member '" + name + "' has a link's target or a folder");
    }
    TarMember member = content(header);
    if (!names_.insert(lower_case(member.name)).second) {
      refuse(ErrorCode::corrupt, start_, "member '" + name + "' is there twice (upper and lower case are one)");
    }
    if (members_.size() >= limits_.records) {
      refuse(ErrorCode::limit_exceeded, start_,
             over_limit("the archive has too many members", "records", limits_.records));
    }
    members_.push_back(std::move(member));
    large_size_.reset();
    extended_ = false;
  }

  /// The lines "LENGTH KEY=VALUE" of a pax extended header. Python wrote one for each member, for its time.
  void extend(const TarMember& header) {
    if (extended_) refuse(ErrorCode::corrupt, start_, "two extended headers for one member");
    extended_ = true;
    extension_bytes_ += header.size;
    if (header.size > kLargestExtension) {
      refuse(ErrorCode::corrupt, start_,
             "an extended header of " + std::to_string(header.size) + " bytes: it should be a line about a time");
    }
    if (extension_bytes_ > limits_.directory_bytes) {
      refuse(ErrorCode::limit_exceeded, start_,
             over_limit("the extended headers are too long", "directory_bytes", limits_.directory_bytes));
    }
    std::string lines(static_cast<std::size_t>(header.size), '\0');
    source_.read_at(header.offset, std::as_writable_bytes(std::span(lines)));
    for (std::string_view rest = lines; !rest.empty();) {
      std::size_t length = 0;
      const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), length);
      const auto digits = static_cast<std::size_t>(end - rest.data());
      if (error != std::errc{} || length > rest.size() || length < digits + 2 || *end != ' ' ||
          rest[length - 1] != '\n') {
        refuse(ErrorCode::corrupt, header.offset, "an extended header that is not made of lines with their lengths");
      }
      take(rest.substr(digits + 1, length - digits - 2), header.offset);
      rest.remove_prefix(length);
    }
  }

  void take(std::string_view line, std::uint64_t offset) {
    const std::size_t equals = line.find('=');
    const std::string_view key = line.substr(0, equals);
    const std::string_view value = equals == line.npos ? std::string_view{} : line.substr(equals + 1);
    constexpr std::string_view harmless[] = {"mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment"};
    if (std::find(std::begin(harmless), std::end(harmless), key) != std::end(harmless)) return;
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), size);
    if (key != "size" || error != std::errc{} || end != value.data() + value.size() || large_size_) {
      refuse(ErrorCode::unsupported, offset,
             "an extended header that changes the member's '" + zip::shown(key.substr(0, 60)) + "'");
    }
    large_size_ = size;
  }

  /// A second archive behind the end mark would be seen by some readers and not by others.
  void require_blank_rest() {
    std::vector<char> part(1 << 16);
    while (at_ < source_.size()) {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(part.size(), source_.size() - at_));
      source_.read_at(at_, std::as_writable_bytes(std::span(part.data(), size)));
      const auto found = std::find_if(part.data(), part.data() + size, [](char c) { return c != '\0'; });
      if (found != part.data() + size) {
        refuse(ErrorCode::corrupt, at_ + static_cast<std::uint64_t>(found - part.data()),
               "something follows the archive's end mark");
      }
      at_ += size;
    }
  }

  const ByteSource& source_;
  const Limits& limits_;
  std::vector<TarMember> members_;
  std::set<std::string, std::less<>> names_;
  std::optional<std::uint64_t> large_size_;
  std::uint64_t extension_bytes_ = 0;
  std::uint64_t at_ = 0;
  std::uint64_t start_ = 0;  // of the header that is looked at
  bool extended_ = false;
};

}  // namespace

std::vector<TarMember> read_tar_directory(const ByteSource& source, const Limits& limits) {
  return Reader(source, limits).run();
}

}  // namespace torchferry
