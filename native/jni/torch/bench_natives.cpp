// Native methods of io.torchferry.TorchNative that measure: what a benchmark compares Java's side with.

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <torchferry/error.h>
#include <torchferry/state_dict.h>
#include <torchferry/stock_libtorch.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <new>
#include <optional>
#include <thread>

#include "io_torchferry_TorchNative.h"
#include "java_arrays.h"
#include "opened_checkpoint.h"
#include "torch_errors.h"

using namespace torchferry;
using namespace torchferry::jni;

namespace {

using Clock = std::chrono::steady_clock;

/// As Benchmarks.Way counts them.
enum class Way { mapped, copied, touched };

jlong nanoseconds(Clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

/// Reads every byte, as the first use of the weights would.
std::uint64_t sum_of(const std::byte* bytes, std::size_t nbytes) {
  std::uint64_t sum = 0;
  std::size_t at = 0;
  for (; at + sizeof(sum) <= nbytes; at += sizeof(sum)) {
    std::uint64_t word;
    std::memcpy(&word, bytes + at, sizeof(word));
    sum += word;
  }
  for (; at < nbytes; ++at) sum += std::to_integer<std::uint64_t>(bytes[at]);
  return sum;
}

std::uint64_t touch(const StateDict& dict) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < dict.size(); ++i) {
    const c10::Storage& storage = dict.tensor(i).storage();
    sum += sum_of(static_cast<const std::byte*>(storage.data()), storage.nbytes());
  }
  return sum;
}

/// Keeps the compiler from leaving out what nobody reads.
void keep(std::uint64_t value) {
  static volatile std::uint64_t kept;
  kept = value;
}

void time_load(const std::string& path, const LoadOptions& options, Way way, std::vector<jlong>& times) {
  const auto start = Clock::now();
  // Threads of Java have stacks too small for content as deep as the limit allows: it is tried on the stack there is.
  std::optional<OpenedCheckpoint> opened =
      open_checkpoint({}, [&](const OpenOptions& used) { return Checkpoint::open(path, used); });
  const auto indexed = Clock::now();
  std::optional<StateDict> dict = StateDict::load(opened->checkpoint, options);
  if (way == Way::touched) keep(touch(*dict));
  const auto loaded = Clock::now();
  dict.reset();
  opened.reset();
  const auto destroyed = Clock::now();
  times.push_back(nanoseconds(indexed - start));
  times.push_back(nanoseconds(loaded - indexed));
  times.push_back(nanoseconds(destroyed - loaded));
}

/// As many tensors as the checkpoint has, each a storage of its own over memory that is there: what libtorch itself
/// needs for them.
std::vector<at::Tensor> bare_tensors(const std::vector<std::vector<std::int64_t>>& sizes) {
  static float memory[1];
  std::vector<at::Tensor> tensors;
  tensors.reserve(sizes.size());
  for (const auto& size : sizes) {
    tensors.push_back(at::from_blob(memory, size, [](void*) {}, c10::TensorOptions().dtype(c10::kFloat)));
  }
  return tensors;
}

/// Anonymous memory in huge pages where the system has them.
class Memory {
 public:
  explicit Memory(std::size_t nbytes) : nbytes_(nbytes) {
    start_ = ::mmap(nullptr, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start_ == MAP_FAILED) throw std::bad_alloc();
    ::madvise(start_, nbytes, MADV_HUGEPAGE);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { ::munmap(start_, nbytes_); }
  std::byte* bytes() const { return static_cast<std::byte*>(start_); }

 private:
  void* start_;
  std::size_t nbytes_;
};

/// The file's bytes as the system gives them, read in parts by several threads: what a load that copies needs at least.
void read_with(std::size_t threads, const std::string& path, std::byte* to, std::size_t nbytes) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw Error(ErrorCode::io, path, {}, std::nullopt, "cannot be opened");
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  const auto work = [&] {
    constexpr std::size_t kPart = std::size_t{4} << 20;
    for (std::size_t at = next.fetch_add(kPart); at < nbytes; at = next.fetch_add(kPart)) {
      const std::size_t end = std::min(at + kPart, nbytes);
      for (std::size_t done = at; done < end;) {
        const ssize_t got = ::pread(file, to + done, end - done, static_cast<off_t>(done));
        if (got <= 0) {
          failed = true;
          return;
        }
        done += static_cast<std::size_t>(got);
      }
    }
  };
  {
    std::vector<std::jthread> others;
    while (others.size() + 1 < threads) others.emplace_back(work);
    work();
  }
  ::close(file);
  if (failed) throw Error(ErrorCode::io, path, {}, std::nullopt, "cannot be read");
}

void copy_with(std::size_t threads, std::byte* to, const std::byte* from, std::size_t nbytes) {
  const std::size_t part = (nbytes + threads - 1) / threads;
  std::vector<std::jthread> others;
  for (std::size_t begin = part; begin < nbytes; begin += part) {
    others.emplace_back([=] { std::memcpy(to + begin, from + begin, std::min(part, nbytes - begin)); });
  }
  std::memcpy(to, from, std::min(part, nbytes));
}

}  // namespace

jlongArray Java_io_torchferry_TorchNative_benchLoad(JNIEnv* env, jclass, jbyteArray path, jint iterations, jint way,
                                                    jint threads) {
  return guarded_torch(env, Reads::yes, [&] {
    const std::string file = bytes_of(env, path);
    LoadOptions options;
    options.map_location = MapLocation::to(Device::cpu());
    options.mmap = static_cast<Way>(way) != Way::copied;
    options.threads = static_cast<unsigned>(threads);
    std::vector<jlong> times;
    times.reserve(3 * static_cast<std::size_t>(iterations));
    for (jint i = 0; i < iterations; ++i) time_load(file, options, static_cast<Way>(way), times);
    return new_longs(env, times);
  });
}

jlongArray Java_io_torchferry_TorchNative_benchBareTensors(JNIEnv* env, jclass, jbyteArray path, jint iterations) {
  return guarded_torch(env, Reads::yes, [&] {
    const Checkpoint checkpoint = Checkpoint::open(bytes_of(env, path));
    const TensorTable& table = checkpoint.table();
    std::vector<std::vector<std::int64_t>> sizes;
    for (const TensorRow& row : table.tensors()) {
      const auto size = table.sizes(row);
      sizes.emplace_back(size.begin(), size.end());
    }
    std::vector<jlong> times;
    for (jint i = 0; i < iterations; ++i) {
      const auto start = Clock::now();
      const std::vector<at::Tensor> tensors = bare_tensors(sizes);
      times.push_back(nanoseconds(Clock::now() - start));
    }
    return new_longs(env, times);
  });
}

jlongArray Java_io_torchferry_TorchNative_benchCopyMemory(JNIEnv* env, jclass, jlong nbytes, jint iterations,
                                                          jint threads, jboolean fresh) {
  return guarded_torch(env, Reads::no, [&] {
    const auto size = static_cast<std::size_t>(nbytes);
    const Memory from(size);
    std::memset(from.bytes(), 1, size);
    std::optional<Memory> to(std::in_place, size);
    std::memset(to->bytes(), 2, size);
    std::vector<jlong> times;
    for (jint i = 0; i < iterations; ++i) {
      if (fresh) to.reset();
      const auto start = Clock::now();
      if (fresh) to.emplace(size);
      copy_with(static_cast<std::size_t>(threads), to->bytes(), from.bytes(), size);
      times.push_back(nanoseconds(Clock::now() - start));
    }
    return new_longs(env, times);
  });
}

jlongArray Java_io_torchferry_TorchNative_benchReadFile(JNIEnv* env, jclass, jbyteArray path, jint iterations,
                                                        jint threads) {
  return guarded_torch(env, Reads::yes, [&] {
    const std::string file = bytes_of(env, path);
    const auto size = static_cast<std::size_t>(std::filesystem::file_size(file));
    std::vector<jlong> times;
    for (jint i = 0; i < iterations; ++i) {
      const auto start = Clock::now();
      const Memory to(size);
      read_with(static_cast<std::size_t>(threads), file, to.bytes(), size);
      times.push_back(nanoseconds(Clock::now() - start));
    }
    return new_longs(env, times);
  });
}

jlongArray Java_io_torchferry_TorchNative_benchStock(JNIEnv* env, jclass, jbyteArray path, jint iterations) {
  return guarded_torch(env, Reads::yes, [&] {
    const std::string file = bytes_of(env, path);
    std::vector<jlong> times;
    for (jint i = 0; i < iterations; ++i) {
      const auto start = Clock::now();
      stock_pickle_load(file);
      times.push_back(nanoseconds(Clock::now() - start));
    }
    return new_longs(env, times);
  });
}
