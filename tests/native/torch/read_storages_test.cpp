// Reading in parallel: chunks, sums, progress, cancellation, errors in threads.

#include "torch/read_storages.h"

#include <gtest/gtest.h>
#include <torchferry/error.h>

#include <cstring>

#include "io/error_of.h"
#include "io/temp_file.h"
#include "torch/loading.h"

namespace torchferry::testing {
namespace {

constexpr std::size_t kBig = (std::size_t{20} << 20) + 12;  // two chunks and a bit

std::string pattern(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; i += 4) {
    const auto word = static_cast<std::uint32_t>(i * 2654435761U);
    std::memcpy(text.data() + i, &word, 4);
  }
  return text;
}

/// One big storage and many small ones.
struct File {
  TempDirectory directory;
  std::vector<std::pair<std::string, std::string>> storages;
  std::string bytes;
  std::filesystem::path path;

  explicit File(bool deflated_small = false) {
    std::vector<std::pair<Pickle, Pickle>> tensors;
    ZipBuilder zip;
    for (std::size_t i = 0; i < 50; ++i) {
      const std::size_t size = i == 0 ? kBig : 4 * i;
      storages.emplace_back(std::to_string(i), pattern(size));
      const auto numel = static_cast<std::int64_t>(size / 4);
      tensors.emplace_back(str("t" + std::to_string(i)),
                           tensor({.key = std::to_string(i), .numel = numel, .size = {numel}}));
    }
    zip.add("archive/data.pkl", "\x80\x02" + dict(tensors) + ".");
    for (const auto& [key, payload] : storages) {
      if (deflated_small && key != "0") {
        zip.add_deflated("archive/data/" + key, payload);
      } else {
        zip.add("archive/data/" + key, payload);
      }
    }
    zip.add("archive/version", "3\n");
    bytes = zip.bytes();
    path = write_file(directory / "big.pt", bytes);
  }
};

void expect_loaded(const File& file, const StateDict& loaded) {
  for (const auto& [key, payload] : file.storages) {
    const at::Tensor& tensor = tensor_at(loaded, "t" + key);
    ASSERT_EQ(tensor.storage().nbytes(), payload.size());
    EXPECT_EQ(std::memcmp(tensor.const_data_ptr(), payload.data(), payload.size()), 0) << key;
  }
}

LoadOptions copying(unsigned threads, bool verify) {
  LoadOptions options = load_to(Device::cpu(), false);
  options.threads = threads;
  options.verify_checksums = verify;
  options.progress = std::make_shared<Progress>();
  return options;
}

TEST(ReadStorages, TakesOneBlockOrAnAllocationForEach) {
  const File file;
  const Checkpoint checkpoint = Checkpoint::open(file.path);
  LoadOptions options = load_to(Device::cpu(), false);
  const StateDict together = StateDict::load(checkpoint, options);
  const auto from_first_to_second = [](const StateDict& dict) {
    return static_cast<const std::byte*>(tensor_at(dict, "t2").const_data_ptr()) -
           static_cast<const std::byte*>(tensor_at(dict, "t1").const_data_ptr());
  };
  const auto place_in_file = [&](std::string_view key) {
    const auto entry = std::find_if(checkpoint.entries().begin(), checkpoint.entries().end(),
                                    [key](const Entry& one) { return one.key == key; });
    const TensorTable& table = checkpoint.table();
    return table.storages()[table.tensors()[entry->tensor].storage].file_offset;
  };
  EXPECT_EQ(from_first_to_second(together), place_in_file("t2") - place_in_file("t1")) << "as in the file";
  options.verify_checksums = true;
  EXPECT_EQ(from_first_to_second(StateDict::load(checkpoint, options)), 64) << "one after the other";
  options.verify_checksums = false;
  EXPECT_FALSE(tensor_at(together, "t1").storage().resizable()) << "nothing may grow into its neighbour";
  options.device_memory = DeviceMemory::per_storage;
  const StateDict apart = StateDict::load(checkpoint, options);
  EXPECT_TRUE(tensor_at(apart, "t1").storage().resizable());
  expect_loaded(file, together);
  expect_loaded(file, apart);
}

TEST(ReadStorages, AKeptTensorKeepsTheBlock) {
  const File file;
  at::Tensor kept;
  {
    const StateDict loaded = StateDict::load(Checkpoint::open(file.path), load_to(Device::cpu(), false));
    kept = tensor_at(loaded, "t49");
  }
  EXPECT_EQ(std::memcmp(kept.const_data_ptr(), file.storages[49].second.data(), kept.nbytes()), 0);
}

TEST(ReadStorages, AnyNumberOfThreadsReadsTheSame) {
  const File file;
  const Checkpoint checkpoint = Checkpoint::open(file.path);
  for (const unsigned threads : {0U, 1U, 2U, 5U, 64U}) {
    for (const bool verify : {false, true}) {
      const LoadOptions options = copying(threads, verify);
      const StateDict loaded = StateDict::load(checkpoint, options);
      expect_loaded(file, loaded);
      EXPECT_EQ(options.progress->done, options.progress->total);
      EXPECT_EQ(options.progress->done, loaded.report().bytes_read);
      EXPECT_EQ(loaded.report().bytes_read, kBig + 4 * 49 * 50 / 2);
    }
  }
}

TEST(ReadStorages, DeflatedOnesBesideStoredOnes) {
  const File file(/*deflated_small=*/true);
  expect_loaded(file, StateDict::load(Checkpoint::open(file.path), copying(3, true)));
  expect_loaded(file, StateDict::load(Checkpoint::open(file.path)));
}

TEST(ReadStorages, AWrongSumIsCorrupt) {
  const File file;
  const Checkpoint good = Checkpoint::open(file.path);
  for (const std::uint32_t row : {0U, 7U}) {
    std::string damaged = file.bytes;
    damaged[good.table().storages()[row].file_offset + 1] ^= 1;
    const Checkpoint checkpoint = Checkpoint::open(write_file(file.directory / "bad.pt", damaged));
    expect_error(ErrorCode::corrupt,
                 "record archive/data/" + std::string(good.table().storages()[row].key) + ", byte 0: ", [&] {
                   StateDict::load(checkpoint, copying(2, true));
                 });
    LoadOptions mapped;
    mapped.verify_checksums = true;
    expect_error(ErrorCode::corrupt, "bad.pt: ", [&] { StateDict::load(checkpoint, mapped); });
    EXPECT_NO_THROW(StateDict::load(checkpoint, copying(2, false)));
  }
}

TEST(ReadStorages, StopsWhenTheWatcherSaysSo) {
  const File file;
  const Checkpoint checkpoint = Checkpoint::open(file.path);
  const LoadOptions options = copying(1, true);
  options.progress->cancel = true;
  expect_error(ErrorCode::cancelled, "cancelled", [&] { StateDict::load(checkpoint, options); });
  EXPECT_EQ(options.progress->done, 0U);
}

TEST(ReadStorages, AFileThatBecameShorterIsAnErrorOfItsThread) {
  const File file;
  const Checkpoint checkpoint = Checkpoint::open(file.path);
  std::filesystem::resize_file(file.path, 4096);
  for (const unsigned threads : {1U, 4U}) {
    expect_error(ErrorCode::io, "big.pt", [&] { StateDict::load(checkpoint, copying(threads, false)); });
  }
}

}  // namespace
}  // namespace torchferry::testing
