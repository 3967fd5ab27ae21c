#include "fake_device/copy.h"

#include <ATen/EmptyTensor.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/_local_scalar_dense.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "fake_device/ledger.h"
#include "fake_device/memory.h"
#include "fake_device/runtime.h"
#include "fake_device/storage.h"

namespace torchferry::fake {

namespace {

thread_local int kernel_depth = 0;

/// One copy as it is booked and carried out. The windows keep device memory alive.
struct Transfer {
  CopyKind kind;
  int index;  // where it is counted and whose link it takes
  size_t bytes;
  at::Tensor from;
  at::Tensor to;
  std::shared_ptr<std::byte> pinned = nullptr;  // the host side, when the copy is queued
  bool fails = false;

  void run() const {
    TORCH_CHECK(!fails, "FAKE error: a copy of ", bytes, " bytes at ", device_at(index),
                " failed, as asked for");
    if (kind != CopyKind::same_device) occupy_link(index, bytes);
    move_elements();
  }

  void run_queued() const {
    pass_gate();
    run();
  }

  void move_elements() const {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    at::Tensor(to).copy_(from);
  }
};

size_t payload(const at::Tensor& tensor) {
  return static_cast<size_t>(tensor.numel()) * tensor.element_size();
}

Transfer plan_transfer(const at::Tensor& source, const at::Tensor& target) {
  if (source.is_cpu())
    return {CopyKind::host_to_device, checked_index(target.device()), payload(target), source,
            window(target)};
  const int index = checked_index(source.device());
  if (target.is_cpu()) return {CopyKind::device_to_host, index, payload(source), window(source), target};
  const int target_index = checked_index(target.device());
  const CopyKind kind = index == target_index ? CopyKind::same_device : CopyKind::cross_device;
  return {kind, target_index, payload(target), window(source), window(target)};
}

/// Whether the bytes of one can be taken over as the bytes of the other.
bool same_bytes(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.is_conj() == b.is_conj() && a.is_neg() == b.is_neg() &&
         a.is_non_overlapping_and_dense() && a.sizes() == b.sizes() && a.strides() == b.strides();
}

/// Whether the copy can be queued; holds on to the pinned memory that it then needs.
bool prepare_async(Transfer& transfer, const at::Tensor& source, const at::Tensor& target) {
  if (source.is_privateuseone() && target.is_privateuseone()) return true;
  if (!same_bytes(source, target)) return false;
  transfer.pinned = find_pinned((source.is_cpu() ? source : target).const_data_ptr());
  return transfer.pinned != nullptr;
}

/// Queues the transfer on the source's stream (the target's when the source is on the host). Between two
/// indices the streams of both wait for each other, so later work on either sees the copy done.
void submit(Transfer transfer, const at::Tensor& source, const at::Tensor& target) {
  const at::Tensor& leader = source.is_privateuseone() ? source : target;
  const c10::Stream stream = current_stream(checked_index(leader.device()));
  if (transfer.kind != CopyKind::cross_device) {
    queue_of(stream).enqueue([transfer = std::move(transfer)] { transfer.run_queued(); });
    return;
  }
  const c10::Stream target_stream = current_stream(checked_index(target.device()));
  const auto target_ready = std::make_shared<EventState>();
  const auto copied = std::make_shared<EventState>();
  record_event(target_ready, target_stream);
  block_stream(target_ready, stream);
  queue_of(stream).enqueue([transfer = std::move(transfer)] { transfer.run_queued(); });
  record_event(copied, stream);
  block_stream(copied, target_stream);
}

}  // namespace

KernelScope::KernelScope() { ++kernel_depth; }
KernelScope::~KernelScope() { --kernel_depth; }
bool KernelScope::active() { return kernel_depth > 0; }

at::Tensor window(const at::Tensor& tensor) {
  if (!tensor.is_privateuseone()) return tensor;
  const auto options = at::TensorOptions(at::kCPU).dtype(tensor.scalar_type());
  if (tensor.numel() == 0) return at::empty(tensor.sizes(), options);
  const size_t bytes =
      at::detail::computeStorageNbytes(tensor.sizes(), tensor.strides(), tensor.element_size());
  const auto* start = static_cast<const char*>(tensor.storage().data()) +
                      static_cast<size_t>(tensor.storage_offset()) * tensor.element_size();
  std::shared_ptr<std::byte> contents = contents_at(start, bytes);
  void* const memory = contents.get();
  at::Tensor result = at::from_blob(
      memory, tensor.sizes(), tensor.strides(), [contents = std::move(contents)](void*) {}, options);
  result.unsafeGetTensorImpl()->_set_conj(tensor.is_conj());
  result.unsafeGetTensorImpl()->_set_neg(tensor.is_neg());
  return result;
}

void wait_for(const at::Tensor& tensor) {
  if (tensor.is_privateuseone()) queue_of(current_stream(checked_index(tensor.device()))).synchronize();
}

at::Tensor copy_from(const at::Tensor& source, const at::Tensor& target, bool non_blocking) {
  TORCH_CHECK(source.is_privateuseone() || source.is_cpu(), "FAKE error: no copy from ", source.device());
  TORCH_CHECK(target.is_privateuseone() || target.is_cpu(), "FAKE error: no copy to ", target.device());
  if (target.numel() == 0) return target;
  const at::Tensor from = source.sizes() == target.sizes() ? source : source.expand(target.sizes());
  Transfer transfer = plan_transfer(from, target);
  if (KernelScope::active()) {
    wait_for(from);
    wait_for(target);
    transfer.move_elements();
    return target;
  }
  const bool async = non_blocking && prepare_async(transfer, from, target);
  transfer.fails = Ledger::get().count_copy(transfer.kind, transfer.index, transfer.bytes, async);
  if (async) {
    submit(std::move(transfer), from, target);
  } else {
    wait_for(from);
    wait_for(target);
    transfer.run();
  }
  return target;
}

at::Scalar local_scalar(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.numel() == 1, "a Tensor with ", tensor.numel(),
              " elements cannot be converted to Scalar");
  const at::Tensor element =
      at::empty(tensor.sizes(), at::TensorOptions(at::kCPU).dtype(tensor.scalar_type()));
  copy_from(tensor, element, /*non_blocking=*/false);
  return at::_local_scalar_dense(element);
}

void resize_storage(c10::StorageImpl* storage, size_t bytes) {
  TORCH_CHECK(storage->resizable(), "Trying to resize storage that is not resizable");
  const int index = checked_index(storage->device());
  queue_of(current_stream(index)).synchronize();
  c10::DataPtr fresh = allocate_on(index, bytes);
  const size_t kept = std::min(bytes, storage->nbytes());
  if (kept != 0) device_allocator()->copy_data(fresh.get(), storage->data(), kept);
  storage->set_data_ptr_noswap(std::move(fresh));
  storage->set_nbytes(bytes);
}

}  // namespace torchferry::fake
