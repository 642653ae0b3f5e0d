// What a description of a kernel says, and the arrays that it is given.
// Layer: tests
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bert/core/execution.hpp"
#include "bert/core/memory.hpp"
#include "bert/core/random.hpp"

namespace bert::test {

/// Memory as bert::buffer has it, for benchmarks: cache-line aligned, on huge pages if large.
template <class T>
struct aligned_allocator {
  using value_type = T;
  aligned_allocator() = default;
  template <class U>
  aligned_allocator(const aligned_allocator<U>&) noexcept {}  // NOLINT
  T* allocate(std::size_t count) {
    constexpr std::size_t huge = std::size_t{1} << 21;
    const std::size_t bytes = round_up(count * sizeof(T), alignment), at = bytes < huge ? alignment : huge;
    void* memory = ::operator new (bytes, std::align_val_t{at});
#if defined(__linux__)
    if (bytes >= huge) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return static_cast<T*>(memory);
  }
  void deallocate(T* p, std::size_t count) noexcept {
    const std::size_t bytes = round_up(count * sizeof(T), alignment);
    ::operator delete (static_cast<void*>(p),
                       std::align_val_t{bytes < (std::size_t{1} << 21) ? alignment : std::size_t{1} << 21});
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
