#include "torch/script_files.h"

#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/serialization/export.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torchferry/error.h>

#include <exception>
#include <string>
#include <utility>

#include "io/atomic_file.h"
#include "torch/plain_mode.h"
#include "torch/translate_errors.h"

namespace torchferry {

using torch::jit::Module;

namespace {

/// Lets libtorch's reader read one of our sources. An error of the source is kept, not thrown through
/// libtorch's zip code: the reader is told that there are no bytes and fails by itself.
class SourceAdapter final : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit SourceAdapter(std::shared_ptr<const ByteSource> source) : source_(std::move(source)) {}

  std::size_t size() const override { return static_cast<std::size_t>(source_->size()); }

  std::size_t read(std::uint64_t position, void* to, std::size_t size, const char*) const override {
    try {
      source_->read_at(position, {static_cast<std::byte*>(to), size});
      return size;
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      return 0;
    }
  }

  void rethrow_error() const {
    const std::lock_guard lock(mutex_);
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::shared_ptr<const ByteSource> source_;
  mutable std::mutex mutex_;
  mutable std::exception_ptr error_;
};

/// Refuses what is no TorchScript, and a damaged file before libtorch sees it: its reader follows the sizes
/// in the pickle beyond the end of a record that is too short. What our reader merely does not know is
/// libtorch's to judge.
template <class Open>
void refuse_damaged(const Open& open) {
  try {
    const Checkpoint checkpoint = open();
    if (checkpoint.format() == Format::torchscript) return;
    throw Error(ErrorCode::corrupt, checkpoint.name(), {}, std::nullopt,
                "not a TorchScript module but a checkpoint of format " +
                    std::string(name(checkpoint.format())) + "; load its tensors as a state dict");
  } catch (const Error& error) {
    if (error.code() == ErrorCode::corrupt || error.code() == ErrorCode::io) throw;
  }
}

Module load_from(const std::shared_ptr<const ByteSource>& source, const c10::Device& target) {
  const auto adapter = std::make_shared<SourceAdapter>(source);
  try {
    return translated(ErrorCode::corrupt, [&] {
      const PlainMode mode;
      const std::lock_guard lock(script_importer());
      return torch::jit::load(adapter, target);
    });
  } catch (const Error& error) {
    adapter->rethrow_error();
    const std::size_t newer = error.message().find("Attempted to read a PyTorch file with version");
    if (newer == std::string::npos) throw error.in(source->name());
    throw Error(ErrorCode::unsupported, error.message().substr(newer)).in(source->name());
  }
}

}  // namespace

std::mutex& script_importer() {
  static std::mutex mutex;
  return mutex;
}

Module load_script(const std::filesystem::path& path, const c10::Device& target) {
  refuse_damaged([&] { return Checkpoint::open(path); });
  return load_from(open_file(path), target);
}

Module load_script(std::span<const std::byte> bytes, const std::string& name, const c10::Device& target) {
  const auto borrowed = std::shared_ptr<const void>(bytes.data(), [](const void*) {});
  refuse_damaged([&] { return Checkpoint::open(bytes, borrowed, name); });
  return load_from(memory_source(bytes, borrowed, name), target);
}

void save_script(const Module& module, const std::filesystem::path& path) {
  AtomicFile file(path);
  std::exception_ptr failure;  // libtorch's zip writer must not be unwound
  const auto write = [&](const void* bytes, std::size_t size) -> std::size_t {
    try {
      if (!failure) file.write({static_cast<const std::byte*>(bytes), size});
    } catch (...) {
      failure = std::current_exception();
    }
    return failure ? 0 : size;
  };
  try {
    const std::lock_guard lock(script_importer());
    torch::jit::ExportModule(module, write);
  } catch (...) {
    if (!failure) throw;
  }
  if (failure) std::rethrow_exception(failure);
  file.commit();
}

}  // namespace torchferry
