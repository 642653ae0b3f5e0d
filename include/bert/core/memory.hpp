// Memory aligned to a cache line, with one owner, initialized to zero.
// Layer: core. Test: tests/unit/core/memory_test.cpp
#ifndef BERT_CORE_MEMORY_HPP
#define BERT_CORE_MEMORY_HPP

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

/// One cache line, and one AVX-512 register.
inline constexpr std::size_t alignment = 64;

/// `n` rounded up to a multiple of `step`.
[[nodiscard]] constexpr std::size_t round_up(std::size_t n, std::size_t step) noexcept { return (n + step - 1) / step * step; }

/// A fixed number of trivial `T`, 64-byte aligned, initialized to zero. Movable; a copy copies the contents.
template <class T>
class buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  buffer() = default;
  explicit buffer(std::size_t count) : size_(count), data_(count == 0 ? owner{} : allocate(count)) {
    if (count != 0 && bytes_of(count) < mapped_from) std::memset(static_cast<void*>(data_.get()), 0, count * sizeof(T));
  }
  buffer(const buffer& other) : size_(other.size_), data_(size_ == 0 ? owner{} : allocate(size_)) {
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
  static constexpr std::size_t page = 4096, huge_page = std::size_t{1} << 21;

#if defined(__linux__)
  // From this size on, pages zeroed by the system: they are not written twice, and the thread that first fills one maps it.
  static constexpr std::size_t mapped_from = std::size_t{32} << 20;
#else
  static constexpr std::size_t mapped_from = static_cast<std::size_t>(-1);
#endif

  struct release {
    std::size_t bytes = 0;
    void operator()(T* p) const noexcept {
#if defined(__linux__)
      if (bytes >= mapped_from) return void(::munmap(static_cast<void*>(p), bytes));
#endif
      ::operator delete (static_cast<void*>(p), std::align_val_t{alignment});
    }
  };
  using owner = std::unique_ptr<T[], release>;

  static constexpr std::size_t bytes_of(std::size_t count) noexcept { return round_up(count * sizeof(T), alignment); }

  [[noreturn]] static void no_memory() {
#if BERT_EXCEPTIONS
    throw std::bad_alloc();
#else
    std::abort();
#endif
  }

  // Requests huge pages for blocks of a few megabytes: the weights of a 3072 x 768 product span 2,304 small pages.
  static owner allocate(std::size_t count) {
    const std::size_t bytes = bytes_of(count);
#if defined(__linux__)
    if (bytes >= mapped_from) {
      void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (memory == MAP_FAILED) no_memory();
      ask_for_huge_pages(memory, bytes);
      return owner(static_cast<T*>(memory), release{bytes});
    }
#endif
    void* memory = ::operator new (bytes, std::align_val_t{alignment});
    ask_for_huge_pages(memory, bytes);
    return owner(static_cast<T*>(memory), release{bytes});
  }

  static void ask_for_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (bytes < 2 * huge_page) return;
    const auto address = reinterpret_cast<std::size_t>(memory);
    const std::size_t first = round_up(address, page);
    madvise(reinterpret_cast<void*>(first), (address + bytes - first) / page * page, MADV_HUGEPAGE);
#endif
  }

  std::size_t size_ = 0;
  owner data_;
};

}  // namespace bert

#endif  // BERT_CORE_MEMORY_HPP
