#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace torchferry::pickle {

/// A std::vector for plain data, made for the machine's inner loop: adding is a compare and a store, growing
/// leaves new elements unset, and large arrays grow by realloc, which moves pages instead of copying them.
template <typename T>
class GrowingArray {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  GrowingArray() = default;
  GrowingArray(GrowingArray&& other) noexcept
      : data_(std::move(other.data_)),
        end_(std::exchange(other.end_, nullptr)),
        limit_(std::exchange(other.limit_, nullptr)) {}
  GrowingArray& operator=(GrowingArray&& other) noexcept {
    data_ = std::move(other.data_);
    end_ = std::exchange(other.end_, nullptr);
    limit_ = std::exchange(other.limit_, nullptr);
    return *this;
  }

  std::size_t size() const noexcept { return static_cast<std::size_t>(end_ - data_.get()); }
  bool empty() const noexcept { return end_ == data_.get(); }
  T* data() noexcept { return data_.get(); }
  const T* data() const noexcept { return data_.get(); }
  T& operator[](std::size_t index) noexcept { return data_.get()[index]; }
  const T& operator[](std::size_t index) const noexcept { return data_.get()[index]; }
  const T* end() const noexcept { return end_; }

  void push_back(T value) {
    if (end_ == limit_) [[unlikely]] grow(1);
    *end_++ = value;
  }

  bool full() const noexcept { return end_ == limit_; }

  /// Adds `count` unset elements; returns the first of them.
  T* extend(std::size_t count) {
    if (static_cast<std::size_t>(limit_ - end_) < count) [[unlikely]] grow(count);
    T* first = end_;
    end_ += count;
    return first;
  }

  /// `size` must not be more than what is there.
  void shrink_to(std::size_t size) noexcept { end_ = data_.get() + size; }

  void reserve(std::size_t capacity) {
    if (capacity > static_cast<std::size_t>(limit_ - data_.get())) resize_to(capacity);
  }

 private:
  struct Free {
    void operator()(T* data) const noexcept { std::free(data); }
  };

  [[gnu::noinline]] void grow(std::size_t count) {
    const std::size_t capacity = static_cast<std::size_t>(limit_ - data_.get());
    resize_to(std::max(size() + count, capacity * 2 + 16));
  }

  void resize_to(std::size_t capacity) {
    const std::size_t used = size();
    if (capacity > static_cast<std::size_t>(-1) / 2 / sizeof(T)) throw std::bad_alloc();
    void* moved = std::realloc(data_.get(), capacity * sizeof(T));
    if (!moved) throw std::bad_alloc();
    static_cast<void>(data_.release());  // realloc has taken it
    data_.reset(static_cast<T*>(moved));
    end_ = data_.get() + used;
    limit_ = data_.get() + capacity;
  }

  std::unique_ptr<T[], Free> data_;
  T* end_ = nullptr;
  T* limit_ = nullptr;
};

}  // namespace torchferry::pickle
