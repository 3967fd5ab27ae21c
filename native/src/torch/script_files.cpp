#include "torch/script_files.h"

#include <caffe2/serialize/read_adapter_interface.h>
#include <caffe2/serialize/versions.h>
#include <torch/csrc/jit/serialization/export.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torchferry/error.h>

#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "io/atomic_file.h"
#include "table/archive_version.h"
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

/// By the bounds of libtorch, whose own reader leaks when it refuses a version.
void refuse_other_versions(const std::shared_ptr<const ByteSource>& source) {
  std::optional<ZipArchive> archive;
  try {
    archive = ZipArchive::open(source, {});
  } catch (const Error&) {
    return;
  }
  try {
    require_version(*archive, caffe2::serialize::kMinSupportedFileFormatVersion,
                    caffe2::serialize::kMaxSupportedFileFormatVersion);
  } catch (const Error& error) {
    throw error.in(source->name());
  }
}

/// Refuses what is no TorchScript, and a damaged file before libtorch sees it: its reader follows the sizes
/// in the pickle beyond the end of a record that is too short. What our reader merely does not know is
/// libtorch's to judge.
template <class Open>
void refuse_damaged(const std::shared_ptr<const ByteSource>& source, const Open& open) {
  try {
    const Checkpoint checkpoint = open();
    if (checkpoint.format() == Format::torchscript) return;
    throw Error(ErrorCode::corrupt, checkpoint.name(), {}, std::nullopt,
                "not a TorchScript module but a checkpoint of format " +
                    std::string(name(checkpoint.format())) + "; load its tensors as a state dict");
  } catch (const Error& error) {
    if (error.code() == ErrorCode::corrupt || error.code() == ErrorCode::io) throw;
    refuse_other_versions(source);
  }
}

Module load_from(const std::shared_ptr<const ByteSource>& source, const c10::Device& target) {
  const auto adapter = std::make_shared<SourceAdapter>(source);
  const auto unit = std::make_shared<torch::jit::CompilationUnit>();
  try {
    return translated(ErrorCode::corrupt, [&] {
      const PlainMode mode;
      const std::lock_guard lock(script_importer());
      torch::jit::ExtraFilesMap none;
      return torch::jit::import_ir_module(unit, adapter, target, none);
    });
  } catch (const Error& error) {
    unit->drop_all_functions();  // those not compiled yet hold on to their unit, which would never go
    adapter->rethrow_error();
    throw error.in(source->name());
  }
}

}  // namespace

std::mutex& script_importer() {
  static std::mutex mutex;
  return mutex;
}

Module load_script(const std::filesystem::path& path, const c10::Device& target) {
  const auto source = open_file(path);
  refuse_damaged(source, [&] { return Checkpoint::open(path); });
  return load_from(source, target);
}

Module load_script(std::span<const std::byte> bytes, const std::string& name, const c10::Device& target) {
  const auto borrowed = std::shared_ptr<const void>(bytes.data(), [](const void*) {});
  const auto source = memory_source(bytes, borrowed, name);
  refuse_damaged(source, [&] { return Checkpoint::open(bytes, borrowed, name); });
  return load_from(source, target);
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
