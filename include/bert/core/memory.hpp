// Memory aligned to a cache line, owned once, zeroed at birth.
// Layer: core. Test: tests/unit/core/memory_test.cpp
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace bert {

/// One cache line, and one AVX-512 register.
inline constexpr std::size_t alignment = 64;

/// Rounds up to whole multiples of `step`.
[[nodiscard]] constexpr std::size_t round_up(std::size_t n, std::size_t step) noexcept { return (n + step - 1) / step * step; }

/// A fixed number of trivial `T`, 64-byte aligned, zero at construction. Movable; copying copies the contents.
template <class T>
class buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  buffer() = default;
  explicit buffer(std::size_t count) : size_(count), data_(count == 0 ? nullptr : allocate(count)) {
    if (count != 0) std::memset(static_cast<void*>(data_.get()), 0, count * sizeof(T));
  }
  buffer(const buffer& other) : size_(other.size_), data_(size_ == 0 ? nullptr : allocate(size_)) {
    if (data_ != nullptr) std::memcpy(static_cast<void*>(data_.get()), other.data(), size_ * sizeof(T));
  }
  buffer(buffer&& other) noexcept : size_(std::exchange(other.size_, 0)), data_(std::move(other.data_)) {}
  buffer& operator=(buffer other) noexcept {
    std::swap(size_, other.size_);
    std::swap(data_, other.data_);
    return *this;
  }

  [[nodiscard]] T* data() noexcept { return data_.get(); }
  [[nodiscard]] const T* data() const noexcept { return data_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] T* begin() noexcept { return data(); }
  [[nodiscard]] T* end() noexcept { return data() + size_; }
  [[nodiscard]] const T* begin() const noexcept { return data(); }
  [[nodiscard]] const T* end() const noexcept { return data() + size_; }
  [[nodiscard]] T& operator[](std::size_t i) noexcept { return data()[i]; }
  [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return data()[i]; }
  [[nodiscard]] std::span<T> span() noexcept { return {data(), size_}; }
  [[nodiscard]] std::span<const T> span() const noexcept { return {data(), size_}; }

 private:
  struct release {
    void operator()(T* p) const noexcept { ::operator delete(static_cast<void*>(p), std::align_val_t{alignment}); }
  };

  // Blocks of a few megabytes are asked to lie on huge pages: a 3072 x 768 product touches 2,304 small ones.
  static T* allocate(std::size_t count) {
    const std::size_t bytes = round_up(count * sizeof(T), alignment);
    void* memory = ::operator new(bytes, std::align_val_t{alignment});
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    constexpr std::size_t page = 4096, huge = std::size_t{1} << 21;
    if (bytes >= 2 * huge) {
      const auto address = reinterpret_cast<std::size_t>(memory);
      const std::size_t first = round_up(address, page);
      madvise(reinterpret_cast<void*>(first), (address + bytes - first) / page * page, MADV_HUGEPAGE);
    }
#endif
    return static_cast<T*>(memory);
  }

  std::size_t size_ = 0;
  std::unique_ptr<T[], release> data_;
};

}  // namespace bert
