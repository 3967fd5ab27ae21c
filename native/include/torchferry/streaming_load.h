#pragma once

#include <ATen/core/Tensor.h>
#include <torchferry/checkpoint.h>
#include <torchferry/load_options.h>
#include <torchferry/state_dict.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry {

/// A load on a thread of its own, whose tensors can be used one by one as their bytes arrive, about in the
/// order of the file: work can start on the first while the last are still on their way.
///
/// A tensor is ready when its storage is: mapped at once, read when its last byte is read, on a device when
/// its last copy is. Ready at the end of the load only: with LoadOptions::cast all tensors; always those that
/// are made of others (quantized by channel, sparse, nested), saved on the meta device, or moved away from
/// their storage's saved location.
///
/// When the load fails or is cancelled, every call from then on throws its error, for tensors that had
/// arrived, too; what it took is given back, but for the tensors that were handed out, which go when their
/// holders let go. Safe to use from any thread; the destructor must be the last call.
class StreamingLoad {
 public:
  /// Starts the load that StateDict::load would do. Throws Error(device_unavailable, unsupported when two
  /// entries have the same key); everything else is told by the calls below.
  StreamingLoad(const Checkpoint& checkpoint, std::span<const Entry> entries, const LoadOptions& options = {},
                std::vector<std::string> path = {});
  explicit StreamingLoad(const Checkpoint& checkpoint, const LoadOptions& options = {});
  /// Cancels what has not ended, and waits for that.
  ~StreamingLoad();
  StreamingLoad(StreamingLoad&&) noexcept;
  StreamingLoad& operator=(StreamingLoad&&) = delete;

  /// Waits until the tensor's bytes are there. Throws what the load failed with; Error(invalid_argument) when
  /// no tensor has the name, Error(unsupported) for one that the load leaves out.
  at::Tensor await(std::string_view key);

  /// Waits until the copies of the tensor's bytes have been asked for, and has the calling thread's current
  /// stream of its device wait for them: what is queued there from now on sees the bytes, and the host goes
  /// on meanwhile. Should such a copy fail, that work sees other bytes and `finish` throws. On the CPU the
  /// same as `await`.
  at::Tensor await_in_stream(std::string_view key);

  /// Whether the load was asked for a tensor of this name.
  bool contains(std::string_view key) const;

  /// Waits until tensors are ready that no call of this has given yet, and gives those, in the order in which
  /// they arrived; null when there are no more. Throws what the load failed with.
  std::optional<StateDict> next();

  /// Waits for all tensors; they are the same objects that were handed out before. Throws what the load
  /// failed with.
  StateDict finish();

  /// Asks the load to stop, which it does within a chunk; nothing when it has ended.
  void cancel();

 private:
  class Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace torchferry
