#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * A fake accelerator for tests. Loading libtorchferry_fake_device.so after libtorch_cpu registers a device
 * type with libtorch (PrivateUse1, written "privateuseone:0", "privateuseone:1", …) that has memory,
 * streams, events, pinned host memory and copies of its own, and computes by libtorch's CPU kernels. These
 * functions set it up and read what it did.
 *
 * Thread rule: every function may be called from any thread at any time. Functions that return int give 0
 * on success and -1 for a refused argument; tf_fake_last_error() then says why.
 *
 * Device addresses are reserved without access rights. Code on the host that follows a device pointer gets
 * SIGSEGV, and a system call given one fails with EFAULT. New device memory of up to
 * TF_FAKE_FILLED_ALLOCATION bytes is filled with the byte TF_FAKE_UNWRITTEN.
 */

#ifdef __cplusplus
extern "C" {
#endif

#define TF_FAKE_API __attribute__((visibility("default")))

/* Indices the fake can have at most. */
#define TF_FAKE_MAX_DEVICES 16

/* The byte that fills device memory nobody has written yet, and the largest allocation in bytes so filled. */
#define TF_FAKE_UNWRITTEN 0xA5
#define TF_FAKE_FILLED_ALLOCATION ((size_t)64 << 20)

/* Memory of an index without a limit of its own, in bytes. */
#define TF_FAKE_DEFAULT_MEMORY ((uint64_t)16 << 30)

/*
 * The statistics of one device index, in the order of the struct's members and of the array that Java gets.
 * "now" values survive a reset; a reset sets a peak to its present value and everything else to zero.
 *
 * Copies are counted when they are submitted, once for each copy_ or to() that libtorch hands to the
 * device, whatever its shape or dtype, at the device index they write to (for device to host: the index
 * they read from). Their bytes are elements times element size on the device's side. Copies that an
 * operator makes inside itself while it computes by the CPU kernels are not copies of the program and not
 * counted.
 */
#define TF_FAKE_STATS(X)                                                                     \
  X(allocated_bytes)       /* now: bytes in live device allocations, exactly as requested */ \
  X(allocated_peak_bytes)  /* highest allocated_bytes */                                     \
  X(live_allocations)      /* now: device allocations not yet freed */                       \
  X(allocations)           /* device allocations made (of more than zero bytes) */           \
  X(out_of_memory)         /* device allocations refused */                                  \
  X(host_to_device_copies)                                                                   \
  X(host_to_device_bytes)                                                                    \
  X(device_to_host_copies)                                                                   \
  X(device_to_host_bytes)                                                                    \
  X(same_device_copies)                                                                      \
  X(same_device_bytes)                                                                       \
  X(cross_device_copies)   /* from another index to this one */                              \
  X(cross_device_bytes)                                                                      \
  X(async_copies)          /* those of the above that returned before they were done */      \
  X(failed_copies)         /* copies made to fail by tf_fake_fail_next_copy */               \
  X(operators)             /* operators computed by the CPU kernels */                       \
  X(pinned_bytes)          /* now: bytes of pinned host memory; the same for every index */  \
  X(pinned_peak_bytes)     /* highest pinned_bytes; the same for every index */              \
  X(pinned_allocations)    /* pinned allocations made; the same for every index */

struct tf_fake_device_stats {
#define TF_FAKE_STAT_MEMBER(name) int64_t name;
  TF_FAKE_STATS(TF_FAKE_STAT_MEMBER)
#undef TF_FAKE_STAT_MEMBER
};

/* Number of members, and the name of member i (NULL when there is none). */
TF_FAKE_API int tf_fake_stat_count(void);
TF_FAKE_API const char* tf_fake_stat_name(int i);

/*
 * Sets how many indices exist: 0 to TF_FAKE_MAX_DEVICES, 2 at first. Refused while an index that would
 * vanish holds memory. libtorch remembers the count when the first backward pass runs, so set it before.
 */
TF_FAKE_API int tf_fake_set_device_count(int count);

/* How many indices exist. */
TF_FAKE_API int tf_fake_device_count(void);

/*
 * Lets live allocations of an index sum up to at most `bytes`; negative: TF_FAKE_DEFAULT_MEMORY. What is
 * already live stays, even beyond the limit.
 */
TF_FAKE_API int tf_fake_set_memory_limit(int index, int64_t bytes);

/*
 * Limits the speed of copies over the link between host (or other indices) and this index, both directions
 * together; 0: as fast as memcpy. Copies within one index are never slowed.
 */
TF_FAKE_API int tf_fake_set_bandwidth(int index, int64_t bytes_per_second);

/* Copies the statistics of an index to *stats; resets those of all indices. */
TF_FAKE_API int tf_fake_stats(int index, struct tf_fake_device_stats* stats);
TF_FAKE_API void tf_fake_reset_stats(void);

/* The device index whose live memory holds the address, or -1. */
TF_FAKE_API int tf_fake_owns(const void* address);

/* Whether the address lies in live pinned host memory of the fake: 1 or 0. */
TF_FAKE_API int tf_fake_is_pinned(const void* address);

/*
 * Makes one counted copy fail, on whichever index: the next n succeed, the one after fails, then all
 * succeed again. Negative: none fails. A synchronous copy throws; an asynchronous one returns, and the next
 * synchronization of its stream, its device or an event recorded behind it throws, as on a real
 * accelerator.
 */
TF_FAKE_API void tf_fake_fail_next_copy(int64_t n);

/*
 * Lets the next n queued (asynchronous) copies go, on whichever index, and holds those after them, and all that is
 * queued behind them on their streams, until this is called again. Negative: none is held.
 */
TF_FAKE_API void tf_fake_hold_copies(int64_t n);

/* Why this thread's last call that returned -1 was refused. Valid until its next refused call. */
TF_FAKE_API const char* tf_fake_last_error(void);

#ifdef __cplusplus
}
#endif
