// What a description of a kernel says, and the arrays that it is given.
// Layer: tests
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include "bert/core/execution.hpp"
#include "bert/core/memory.hpp"
#include "bert/core/random.hpp"
#include "support/sanitizers.hpp"

namespace bert::test {

/// Memory as bert::buffer has it, for benchmarks: cache-line aligned, on huge pages if large. Floats below 1 MB end at a page
/// that nobody may touch, so that a kernel that reads or writes a cache line past them crashes. AddressSanitizer sees a byte.
template <class T>
struct aligned_allocator {
  using value_type = T;
  aligned_allocator() = default;
  template <class U>
  aligned_allocator(const aligned_allocator<U>&) noexcept {}  // NOLINT
  static constexpr std::size_t huge = std::size_t{1} << 21, page = 4096;
#if defined(__linux__) && !defined(BERT_TESTS_SANITIZED)
  static constexpr std::size_t guarded = std::is_same_v<T, float> ? std::size_t{1} << 20 : 0;
#else
  static constexpr std::size_t guarded = 0;
#endif
  static std::size_t bytes_of(std::size_t count) noexcept { return round_up(count * sizeof(T), alignment); }

  T* allocate(std::size_t count) {
    const std::size_t bytes = bytes_of(count), at = bytes < huge ? alignment : huge;
#if defined(__linux__)
    if (bytes < guarded) {
      const std::size_t pages = round_up(bytes, page);
      void* memory = ::mmap(nullptr, pages + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (memory == MAP_FAILED) throw std::bad_alloc();
      auto* begin = static_cast<std::byte*>(memory);
      (void)::mprotect(begin + pages, page, PROT_NONE);
      return reinterpret_cast<T*>(begin + (pages - bytes));
    }
#endif
    void* memory = ::operator new (bytes, std::align_val_t{at});
#if defined(__linux__)
    if (bytes >= huge) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return static_cast<T*>(memory);
  }
  void deallocate(T* p, std::size_t count) noexcept {
    const std::size_t bytes = bytes_of(count);
#if defined(__linux__)
    if (bytes < guarded) {
      const std::size_t pages = round_up(bytes, page);
      ::munmap(reinterpret_cast<std::byte*>(p) + bytes - pages, pages + page);
      return;
    }
#endif
    ::operator delete (static_cast<void*>(p), std::align_val_t{bytes < huge ? alignment : huge});
  }
  bool operator==(const aligned_allocator&) const = default;
};

template <class T>
using array = std::vector<T, aligned_allocator<T>>;
template <class T>
using arrays = std::vector<array<T>>;
using sizes = std::vector<std::size_t>;

template <class T>
[[nodiscard]] arrays<T> filled(const sizes& counts, T value) {
  arrays<T> all;
  for (const auto n : counts) all.emplace_back(n, value);
  return all;
}

/// Normal numbers.
template <class T>
[[nodiscard]] arrays<T> random_arrays(const sizes& counts, std::uint64_t seed) {
  arrays<T> all = filled<T>(counts, T(0));
  for (std::size_t i = 0; i < all.size(); ++i) {
    random_stream random(seed, draw::user, i);
    for (auto& x : all[i]) x = static_cast<T>(random.normal());
  }
  return all;
}

[[nodiscard]] inline arrays<double> to_double(const arrays<float>& from) {
  arrays<double> all;
  for (const auto& a : from) all.emplace_back(a.begin(), a.end());
  return all;
}

/// A kernel of one shape: `inputs()` and `outputs()` are the sizes of its arrays; `forward` runs it, `reference` the plain
/// loops.
template <class K>
concept kernel_description = std::copy_constructible<K> &&
    requires(K k, const arrays<float>& in, arrays<float>& out, const arrays<double>& in64, arrays<double>& out64) {
  { k.label() } -> std::convertible_to<std::string>;
  { k.inputs() } -> std::same_as<sizes>;
  { k.outputs() } -> std::same_as<sizes>;
  k.forward(execution::serial{}, in, out);
  k.reference(in64, out64);
};

/// … with a backward pass: gradients by the outputs in, gradients by the inputs out; `adds(i)` tells whether onto what is
/// there.
template <class K>
concept differentiable_kernel = kernel_description<K> &&
    requires(K k, const arrays<float>& in, arrays<float>& out, const arrays<double>& in64, arrays<double>& out64,
             std::size_t i) {
  k.backward(execution::serial{}, in, in, out);
  k.reference_backward(in64, in64, out64);
  { k.adds(i) } -> std::same_as<bool>;
  { k.has_gradient(i) } -> std::same_as<bool>;
};

/// What the backward pass needs of a forward one is kept in the description.
template <class K>
void save_for_backward(K& k, const arrays<float>& in) {
  if constexpr (requires { k.save(execution::serial{}, in); }) k.save(execution::serial{}, in);
}

/// Gradients by the outputs: random, or one constant where the kernel's interface has one factor for all.
template <class T, class K>
[[nodiscard]] arrays<T> output_gradients(const K& k) {
  if constexpr (requires { K::output_gradient; }) return filled<T>(k.outputs(), static_cast<T>(K::output_gradient));
  else return random_arrays<T>(k.outputs(), 2);
}

}  // namespace bert::test
