#include <map>
#include <string>

#include "base/checked.h"
#include "container/little_endian.h"
#include "container/tar_builder.h"
#include "container/zip_builder.h"
#include "fuzz/reading.h"
#include "fuzz/targets.h"
#include "pickle/machine.h"
#include "table/content.h"
#include "table/torch_names.h"

// Targets whose input is what an archive holds: the archive around it is sound, so that every byte that changes reaches
// the reader of the content.

namespace torchferry::fuzz {
namespace {

constexpr std::size_t kMostStorages = 24;
constexpr std::uint64_t kMostStorageBytes = 1 << 14;

std::string text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// The storages that a pickle names, with the sizes that it gives them, as far as they are small.
std::map<std::string, std::uint64_t> storages_of(Bytes data) {
  std::map<std::string, std::uint64_t> sizes;
  try {
    const pickle::Tree tree = pickle::parse(data, {}).tree;
    for (NodeId node = 0; node < tree.size() && sizes.size() < kMostStorages; ++node) {
      if (tree.kind(node) != pickle::Kind::persistent) continue;
      const auto id = tree.items(node)[0];
      const auto fields = tree.items(id);
      if (tree.kind(id) != pickle::Kind::tuple || fields.size() < 5) continue;
      if (tree.kind(fields[1]) != pickle::Kind::global || tree.kind(fields[2]) != pickle::Kind::string) continue;
      const auto type = storage_class(tree.qualified_name(fields[1]));
      const std::string_view key = tree.text(fields[2]);
      if (!type || key.empty() || key.size() > 64 || key.ends_with('/') || key.find('\0') != key.npos) continue;
      if (tree.kind(fields[4]) != pickle::Kind::integer || tree.integer(fields[4]) < 0) continue;
      const auto nbytes = checked_mul(static_cast<std::uint64_t>(tree.integer(fields[4])), itemsize(type->dtype));
      if (nbytes && *nbytes <= kMostStorageBytes) sizes.emplace(key, *nbytes);
    }
  } catch (const Error&) {
    return {};
  }
  return sizes;
}

void add_content(testing::ZipBuilder& zip, Bytes data) {
  zip.alignment = 1;
  zip.add("r/data.pkl", text_of(data));
  for (const auto& [key, nbytes] : storages_of(data)) {
    std::string payload;
    for (std::uint64_t i = 0; i < nbytes; ++i) payload += static_cast<char>(i * 37 + 1);
    zip.add("r/data/" + key, std::move(payload));
  }
  zip.add("r/version", "3\n");
}

}  // namespace

void content(Bytes input) {
  if (input.empty()) return;
  const auto flags = std::to_integer<unsigned>(input[0]);
  testing::ZipBuilder zip;
  add_content(zip, input.subspan(1));
  zip.add("r/byteorder", (flags & 1) != 0 ? "big" : "little");
  OpenOptions options;
  options.weights_only = (flags & 2) != 0;
  options.verify_checksums = (flags & 4) != 0;
  if ((flags & 8) != 0) {  // limits that small files reach
    options.limits.depth = 4;
    options.limits.tensors = 8;
    options.limits.pickle_nodes = 200;
    options.limits.memo_entries = 32;
    options.limits.name_bytes = 100;
    options.limits.dimensions = 3;
    options.limits.integer_bytes = 9;
  }
  const std::string file = zip.bytes();
  reads_checkpoint(testing::as_bytes(file), options);
}

void tar(Bytes input) {
  constexpr std::size_t block = 512, magic = 257, size_field = 124;
  std::string file = text_of(input);
  for (std::size_t at = 0; at + block <= file.size();) {
    if (std::string_view(file).substr(at, block).find_first_not_of('\0') == std::string_view::npos) break;
    file.replace(at + magic, 5, "ustar");
    testing::seal_tar_header(file, at);
    std::size_t size = 0;
    for (std::size_t i = at + size_field; i < at + size_field + 11 && file[i] >= '0' && file[i] <= '7'; ++i) {
      size = size * 8 + static_cast<std::size_t>(file[i] - '0');
    }
    at += block + (size + block - 1) / block * block;
  }
  reads_checkpoint(testing::as_bytes(file));
}

void script(Bytes input) {
  if (input.size() < 2) return;
  const std::size_t source = std::min<std::size_t>(load_u16(input.data()), input.size() - 2);
  testing::ZipBuilder zip;
  zip.add("r/constants.pkl", "\x80\x02).");
  zip.add("r/code/__torch__.py", text_of(input.subspan(2, source)));
  add_content(zip, input.subspan(2 + source));
  const std::string file = zip.bytes();
  reads_checkpoint(testing::as_bytes(file));
}

}  // namespace torchferry::fuzz
