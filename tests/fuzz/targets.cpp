#include "fuzz/targets.h"

#include <string>
#include <vector>

#include "container/inflate.h"
#include "container/json_reader.h"
#include "container/little_endian.h"
#include "fuzz/reading.h"
#include "pickle/machine.h"

namespace torchferry::fuzz {
namespace {

constexpr std::string_view kLegacyMagic = "\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19\x2E";

/// The u16 that starts an input; takes it off.
std::size_t take_u16(Bytes& input) {
  if (input.size() < 2) {
    input = {};
    return 0;
  }
  const std::size_t value = load_u16(input.data());
  input = input.subspan(2);
  return value;
}

void append(std::vector<std::byte>& to, Bytes bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// An Error of a reader that knows no file: a corrupt input, or a limit.
void require_plain(const Error& error) {
  const ErrorCode code = error.code();
  if (code == ErrorCode::corrupt || code == ErrorCode::unsupported || code == ErrorCode::limit_exceeded) return;
  throw BrokenPromise(error.what());
}

/// Touches all that a node tells of.
void visit(const pickle::Tree& tree, pickle::NodeId node) {
  std::size_t sum = tree.text(node).size() + tree.offset(node);
  for (const auto& list : {tree.items(node), tree.pairs(node), tree.appended(node), tree.assigned(node)}) {
    for (const pickle::NodeId item : list) sum += item;
    for (const pickle::NodeId item : list) {
      if (item >= tree.size()) throw BrokenPromise("a node that is not in the tree");
    }
  }
  for (const char c : tree.text(node)) sum += static_cast<unsigned char>(c);
  if (tree.kind(node) == pickle::Kind::global) sum += tree.qualified_name(node).size();
  if (tree.kind(node) == pickle::Kind::object) {
    if (tree.callable(node) >= tree.size() || tree.arguments(node) >= tree.size() ||
        tree.state(node).value_or(0) >= tree.size() || tree.keywords(node).value_or(0) >= tree.size()) {
      throw BrokenPromise("a node that is not in the tree");
    }
  }
  volatile std::size_t used = sum;
  static_cast<void>(used);
}

/// Reads the value that comes next by its kind, as a caller would who knows what to expect.
void read_value(JsonReader& reader, std::string_view text) {
  const std::size_t at = text.find_first_not_of(" \t\r\n", reader.offset());
  const char first = at == std::string_view::npos ? '\0' : text[at];
  std::string key;
  if (reader.at_object()) {
    reader.enter_object();
    while (reader.next_key(key)) read_value(reader, text);
  } else if (first == '[') {
    reader.enter_array();
    while (reader.next_element()) read_value(reader, text);
  } else if (first == '"') {
    reader.string();
  } else if (first >= '0' && first <= '9') {
    reader.unsigned_integer();
  } else if (!reader.null()) {
    reader.skip_value();
  }
}

}  // namespace

void zip(Bytes input) { reads_zip(input); }

void inflate(Bytes input) {
  std::vector<std::byte> out(take_u16(input));
  try {
    torchferry::inflate(input, out);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::corrupt) throw BrokenPromise(error.what());
  }
}

void pickle(Bytes input) {
  try {
    const pickle::Parsed parsed = pickle::parse(input, {});
    if (parsed.consumed > input.size() || parsed.tree.root() >= parsed.tree.size()) {
      throw BrokenPromise("a pickle that is longer than its bytes");
    }
    for (pickle::NodeId node = 0; node < parsed.tree.size(); ++node) visit(parsed.tree, node);
  } catch (const Error& error) {
    require_plain(error);
  }
}

void json(Bytes input) {
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  const auto reads = [&](auto&& read) {
    try {
      JsonReader reader(text);
      read(reader);
      reader.finish();
      return true;
    } catch (const Error& error) {
      require_plain(error);
      return false;
    }
  };
  const bool skipped = reads([](JsonReader& reader) { reader.skip_value(); });
  const bool read = reads([&](JsonReader& reader) { read_value(reader, text); });
  // Numbers beyond u64 can be skipped and not read.
  if (read && !skipped) throw BrokenPromise("JSON that can be read and not skipped");
}

void safetensors(Bytes input) {
  const std::size_t payload = take_u16(input);
  std::vector<std::byte> file(8);
  for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<std::byte>(input.size() >> (8 * i));
  append(file, input);
  file.resize(file.size() + payload);
  reads_checkpoint(file);
}

void legacy(Bytes input) {
  std::vector<std::byte> file;
  append(file, bytes_of(kLegacyMagic));
  append(file, input);
  reads_checkpoint(file);
}

void checkpoint(Bytes input) { reads_checkpoint(input); }

std::span<const Target> targets() {
  // CMake makes a program for each line.
  // clang-format off
  static constexpr Target all[] = {
      {"zip", zip},
      {"inflate", inflate},
      {"pickle", pickle},
      {"json", json},
      {"safetensors", safetensors},
      {"legacy", legacy},
      {"tar", tar},
      {"content", content},
      {"script", script},
      {"shards", shards},
      {"metadata", metadata},
      {"checkpoint", checkpoint},
      {"sources", sources},
  };
  // clang-format on
  return all;
}

}  // namespace torchferry::fuzz
