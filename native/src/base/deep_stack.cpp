#include <torchferry/deep_stack.h>

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <new>

namespace torchferry {
namespace {

// About twice what a level was measured to take; sanitizers make frames many times larger.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TORCHFERRY_LARGE_FRAMES
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(TORCHFERRY_LARGE_FRAMES)
constexpr std::size_t kLevelBytes = 32 << 10;
#else
constexpr std::size_t kLevelBytes = 2 << 10;
#endif
/// For everything else that runs, and for the zones that the JVM guards at a stack's end.
constexpr std::size_t kBaseBytes = 256 << 10;
/// More on a thread of our own, so that what runs there finds enough when it asks again.
constexpr std::size_t kSpareBytes = 128 << 10;

/// The lowest address of this thread's stack; the highest there is where it cannot be found out.
std::uintptr_t stack_end() noexcept {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return UINTPTR_MAX;
  void* lowest = nullptr;
  std::size_t size = 0;
  const bool known = pthread_attr_getstack(&attributes, &lowest, &size) == 0;
  pthread_attr_destroy(&attributes);
  return known ? reinterpret_cast<std::uintptr_t>(lowest) : UINTPTR_MAX;
}

std::size_t stack_left() noexcept {
  thread_local const std::uintptr_t end = stack_end();
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  return here > end ? here - end : 0;
}

struct Call {
  const std::function<void()>& work;
  std::exception_ptr error;
};

void* run(void* pointer) noexcept {
  auto& call = *static_cast<Call*>(pointer);
  try {
    call.work();
  } catch (...) {
    call.error = std::current_exception();
  }
  return nullptr;
}

void run_on_thread(std::size_t stack, const std::function<void()>& work) {
  Call call{work, nullptr};
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) throw std::bad_alloc();
  pthread_t thread;
  const bool started = pthread_attr_setstacksize(&attributes, stack) == 0 &&
                       pthread_create(&thread, &attributes, run, &call) == 0;
  pthread_attr_destroy(&attributes);
  if (!started) throw std::bad_alloc();
  pthread_join(thread, nullptr);
  if (call.error) std::rethrow_exception(call.error);
}

}  // namespace

void run_on_stack_for(std::uint32_t depth, const std::function<void()>& work) {
  const std::size_t needed = kBaseBytes + std::min(depth, kMostDepth) * kLevelBytes;
  if (stack_left() >= needed) return work();
  run_on_thread((needed + kSpareBytes + 0xFFFF) / 0x10000 * 0x10000, work);
}

}  // namespace torchferry
