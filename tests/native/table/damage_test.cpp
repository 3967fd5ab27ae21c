#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "container/zip_builder.h"
#include "fuzz/reading.h"
#include "fuzz/targets.h"
#include "table/tar_pickles.h"

// Small files of every format, cut, with bytes changed, taken out and put in: each is read or refused with an error that
// fits (fuzz::reads_checkpoint checks), and never anything else.

namespace torchferry::testing {
namespace {

struct Sound {
  const char* name;
  std::string bytes;
};

std::string fixture(const char* name) {
  std::ifstream file(std::filesystem::path(TORCHFERRY_ROOT) / "tests/java/core/resources/fixtures" / name,
                     std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A TorchScript archive of one module, small enough to change every byte.
std::string torchscript() {
  const Pickle module = with_state(make(global("__torch__", "Net"), {}),
                                   dict({{str("training"), boolean(false)}, {str("weight"), tensor({})}}));
  ZipBuilder zip;
  zip.alignment = 1;
  zip.add("r/data.pkl", "\x80\x02" + module + ".");
  zip.add("r/code/__torch__.py", "class Net(Module):\n  __parameters__ = [\"weight\", ]\n  __buffers__ = []\n");
  zip.add("r/constants.pkl", "\x80\x02).");
  zip.add("r/data/0", floats(6));
  zip.add("r/version", "3\n");
  return zip.bytes();
}

std::vector<Sound> files() {
  return {{"zip", fixture("golden_zip.pt")},
          {"legacy", fixture("golden_legacy.pt")},
          {"several saves", fixture("legacy_several_saves.pt")},
          {"tar", TarFile().bytes()},
          {"torchscript", torchscript()},
          {"safetensors", fixture("safetensors_small.safetensors")}};
}

bool reads(const std::string& bytes) { return fuzz::reads_checkpoint(as_bytes(bytes)); }

TEST(Damage, TheFilesAreSound) {
  for (const Sound& file : files()) EXPECT_TRUE(reads(file.bytes)) << file.name;
}

TEST(Damage, EveryCutIsRefused) {
  for (const Sound& file : files()) {
    const std::string whole = fuzz::outcome([&] { return open_bytes(file.bytes); });
    for (std::size_t size = 0; size < file.bytes.size(); ++size) {
      const std::string cut = file.bytes.substr(0, size);
      if (!reads(cut)) continue;
      // What goes on after the content may be missing: padding of a tar archive, a second save, a signature.
      const bool tail = std::string_view(file.name) == "several saves" ||
                        file.bytes.find_first_not_of('\0', size) == std::string::npos;
      EXPECT_TRUE(tail) << file.name << " is read though cut at " << size << " of " << file.bytes.size();
      EXPECT_EQ(open_bytes(cut).entries().size(), open_bytes(file.bytes).entries().size()) << file.name;
    }
    EXPECT_FALSE(whole.starts_with("refused")) << file.name;
  }
}

TEST(Damage, EveryChangedByteIsReadOrRefused) {
  for (Sound file : files()) {
    std::size_t refused = 0;
    for (char& byte : file.bytes) {
      const char good = byte;
      for (const int flip : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF}) {
        byte = static_cast<char>(good ^ flip);
        refused += !reads(file.bytes);
      }
      byte = good;
    }
    // What is not refused is another number, name or element, or padding.
    EXPECT_GT(refused, file.bytes.size()) << file.name;
  }
}

TEST(Damage, EveryByteTakenOutOrPutInIsReadOrRefused) {
  for (const Sound& file : files()) {
    std::size_t refused = 0;
    for (std::size_t at = 0; at < file.bytes.size(); ++at) {
      refused += !reads(std::string(file.bytes).erase(at, 1));
      refused += !reads(std::string(file.bytes).insert(at, 1, '\x7f'));
    }
    // Half of the changes at least; what follows the first of several saves is not looked at.
    EXPECT_GT(2 * refused, file.bytes.size()) << file.name;
  }
}

TEST(Damage, ChangedNumbersAreReadOrRefused) {
  for (const Sound& file : files()) {
    for (const std::size_t width : {2U, 4U, 8U}) {
      for (std::size_t at = 0; at + width <= file.bytes.size(); ++at) {
        for (const std::uint64_t value : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << (8 * width - 1)}) {
          std::string changed = file.bytes;
          poke(changed, at, value, width);
          reads(changed);
        }
      }
    }
  }
}

/// The index of a checkpoint of several files, cut and changed at every byte while the files beside it are sound.
TEST(Damage, IndexesOfSeveralFilesAreReadOrRefused) {
  const std::pair<const char*, void (*)(fuzz::Bytes)> indexes[] = {
      {"sharded_safetensors.d/model.safetensors.index.json", fuzz::shards},
      {"sharded_bin.d/pytorch_model.bin.index.json", fuzz::shards},
      {"distributed_nested.d/.metadata", fuzz::metadata},
      {"distributed_ranks.d/.metadata", fuzz::metadata}};
  for (const auto& [name, read] : indexes) {
    std::string bytes = fixture(name);
    ASSERT_FALSE(bytes.empty()) << name;
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
      const std::string cut = bytes.substr(0, size);
      EXPECT_NO_THROW(read(as_bytes(cut))) << name << " cut at " << size;
    }
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      const char good = bytes[at];
      for (const int flip : {0x01, 0x10, 0x80, 0xFF}) {
        bytes[at] = static_cast<char>(good ^ flip);
        EXPECT_NO_THROW(read(as_bytes(bytes))) << name << " changed at " << at;
      }
      bytes[at] = good;
    }
  }
}

}  // namespace
}  // namespace torchferry::testing
