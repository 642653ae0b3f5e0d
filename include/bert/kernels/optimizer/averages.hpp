// Averages of parameter blocks, and mixtures of two of them.
// Layer: kernels. Test: tests/unit/training/weights_test.cpp
#ifndef BERT_KERNELS_OPTIMIZER_AVERAGES_HPP
#define BERT_KERNELS_OPTIMIZER_AVERAGES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/dropout.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"

namespace bert::inline BERT_ISA::kernels {

/// y += share (x - y)
template <executor E>
void move_towards(const E& e, std::span<const float> x, float share, std::span<float> y) noexcept {
  for_each_range(e, y.size(), floats_a_task, [&](std::size_t first, std::size_t last) {
    for_each_register(last - first, [&](std::size_t j, auto extent) {
      const std::size_t i = first + j;
      const simd at = load(y.data() + i, extent);
      store(y.data() + i, fma(simd(share), load(x.data() + i, extent) - at, at), extent);
    });
  });
}

/// y = x
template <executor E>
void copy(const E& e, std::span<const float> x, std::span<float> y) noexcept {
  for_each_range(e, y.size(), floats_a_task, [&](std::size_t first, std::size_t last) {
    std::copy(x.begin() + static_cast<std::ptrdiff_t>(first), x.begin() + static_cast<std::ptrdiff_t>(last),
              y.begin() + static_cast<std::ptrdiff_t>(first));
  });
}

/// y = start + factors (x - start),  factors 0 or 1 / (1 - rate): dropout of the distance from `start`
///
/// The mask is a function of the key of `d` and the element's index. Writes `y`; all spans have one length.
template <executor E>
void mix(const E& e, dropout d, std::span<const float> x, std::span<const float> start, std::span<float> y) noexcept {
  for_each_range(e, y.size(), floats_a_task, [&](std::size_t first, std::size_t last) {
    const std::uint32_t key = d.row_key(first / floats_a_task);
    for_each_register(last - first, [&](std::size_t j, auto extent) {
      const std::size_t i = first + j;
      const simd from = load(start.data() + i, extent);
      store(y.data() + i, fma(d.factors(key, static_cast<std::uint32_t>(j)), load(x.data() + i, extent) - from, from), extent);
    });
  });
}

/// d *= factors of `mix`
template <executor E>
void mix_backward(const E& e, dropout d, std::span<float> gradient) noexcept {
  for_each_range(e, gradient.size(), floats_a_task, [&](std::size_t first, std::size_t last) {
    const std::uint32_t key = d.row_key(first / floats_a_task);
    for_each_register(last - first, [&](std::size_t j, auto extent) {
      float* const at = gradient.data() + first + j;
      store(at, load(at, extent) * d.factors(key, static_cast<std::uint32_t>(j)), extent);
    });
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_OPTIMIZER_AVERAGES_HPP
