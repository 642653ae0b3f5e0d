// Softmax cross-entropy of rows of logits, its gradient, and the argmax of each row.
// Layer: kernels. Test: tests/unit/kernels/loss/cross_entropy_test.cpp
#ifndef BERT_KERNELS_LOSS_CROSS_ENTROPY_HPP
#define BERT_KERNELS_LOSS_CROSS_ENTROPY_HPP

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/functions.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

namespace detail {

/// The greatest of a row.
[[nodiscard]] inline float greatest_of(const float* row, std::size_t cols) noexcept {
  simd greatest(-std::numeric_limits<float>::infinity());
  std::size_t i = 0;
  for (; i + lanes <= cols; i += lanes) greatest = max(greatest, load(row + i));
  float top = maximum(greatest);
  for (; i < cols; ++i) top = row[i] > top ? row[i] : top;
  return top;
}

/// The index of the first element that is `top`; the last index if none is.
[[nodiscard]] inline std::int32_t index_of(const float* row, std::size_t cols, float top) noexcept {
  std::size_t best = 0;
  while (best + lanes <= cols && !any(load(row + best) == simd(top))) best += lanes;
  while (best + 1 < cols && row[best] != top) ++best;
  return static_cast<std::int32_t>(best);
}

/// The lanes of `x` within the extent, and zeros behind it.
[[nodiscard]] inline simd within(simd x, whole) noexcept { return x; }
[[nodiscard]] inline simd within(simd x, first n) noexcept {
  std::array<float, lanes> kept{};
  store(kept.data(), x, n);
  return load(kept.data());
}

}  // namespace detail

/// losses[m] = log(sum_v exp(logits[m,v])) - logits[m,targets[m]], predicted[m] = argmax_v logits[m,v] (the first of several),
/// d_logits[m,:] = scale * (softmax(logits[m,:]) - onehot(targets[m]))
///
/// logits [M, V]; a target below 0 marks an ignored row: loss 0, gradient 0, `predicted` as in any other. Writes `losses` [M];
/// writes `predicted` [M] unless nullptr; writes `d_logits` [M, V] unless its data is nullptr; it may be `logits`.
template <executor E>
void cross_entropy(const E& e, matrix<const float> logits, std::span<const std::int32_t> targets, float* losses,
                   std::int32_t* predicted, matrix<float> d_logits, float scale) noexcept {
  const std::size_t cols = logits.cols;
  for_each_row(e, logits.rows, cols, [&](std::size_t m) {
    const float* row = logits.row(m);
    const float top = detail::greatest_of(row, cols);
    if (predicted != nullptr) predicted[m] = detail::index_of(row, cols, top);

    const std::int32_t target = targets[m];
    float* d_row = d_logits.data == nullptr ? nullptr : d_logits.row(m);
    if (target < 0) {
      losses[m] = 0.0f;
      if (d_row != nullptr) for_each_register(cols, [&](std::size_t j, auto extent) { store(d_row + j, zero(), extent); });
      return;
    }
    const float at_target = row[static_cast<std::size_t>(target)];  // read before d_logits overwrites it
    const simd tops(top);
    simd totals = zero();
    for_each_register(cols, [&](std::size_t j, auto extent) {
      const simd p = exp(load(row + j, extent) - tops);
      if (d_row != nullptr) store(d_row + j, p, extent);
      totals += detail::within(p, extent);
    });
    const float total = sum(totals);
    losses[m] = std::log(total) + (top - at_target);
    if (d_row != nullptr) {
      const simd share(scale / total);
      for_each_register(cols, [&](std::size_t j, auto extent) { store(d_row + j, load(d_row + j, extent) * share, extent); });
      d_row[static_cast<std::size_t>(target)] -= scale;
    }
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_LOSS_CROSS_ENTROPY_HPP
