// Cross-entropy of independent yes-or-no decisions, and its gradient.
// Layer: kernels. Test: tests/unit/kernels/loss/binary_cross_entropy_test.cpp
#ifndef BERT_KERNELS_LOSS_BINARY_CROSS_ENTROPY_HPP
#define BERT_KERNELS_LOSS_BINARY_CROSS_ENTROPY_HPP

#include <cstddef>
#include <span>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/loss/cross_entropy.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/functions.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// losses[m] = sum_v weights[v] y softplus(-z) + (1 - y) softplus(z),  z = logits[m,v], y = targets[m,v] from 0 to 1,
/// d_logits[m,v] = scale ((1 - y) sigmoid(z) - weights[v] y sigmoid(-z)),  softplus(z) = log(1 + exp z)
///
/// PyTorch's BCEWithLogitsLoss(pos_weight = weights, reduction="none"), summed over the row. `weights` [V] are 1 if empty. A
/// target below 0 marks an ignored cell: loss 0, gradient 0. Writes `losses` [M], and `d_logits` [M, V] unless its data is
/// nullptr; it may be `logits`.
template <executor E>
void binary_cross_entropy(const E& e, matrix<const float> logits, matrix<const float> targets, std::span<const float> weights,
                          float* losses, matrix<float> d_logits, float scale) noexcept {
  const std::size_t cols = logits.cols;
  const simd one(1.0f), scales(scale);
  for_each_row(e, logits.rows, cols, [&](std::size_t m) {
    simd totals = zero();
    for_each_register(cols, [&](std::size_t j, auto extent) {
      const simd z = load(logits.row(m) + j, extent), y = load(targets.row(m) + j, extent);
      const simd w = weights.empty() ? one : load(weights.data() + j, extent);
      const simd small = exp(zero() - abs(z)), near = log(one + small);  // softplus(z) = max(0, z) + log(1 + exp(-|z|))
      const simd up = max(zero(), z) + near, down = max(zero(), zero() - z) + near;
      // sigmoid(|z|) = 1 / (1 + exp(-|z|)), sigmoid(-|z|) = exp(-|z|) / (1 + exp(-|z|))
      const simd greater = one / (one + small), lesser = small / (one + small);
      const simd yes = select(z < zero(), lesser, greater), no = select(z < zero(), greater, lesser);
      const simd wy = w * y, rest = one - y;
      const auto ignored = y < zero();
      totals += detail::within(select(ignored, zero(), wy * down + rest * up), extent);
      if (d_logits.data != nullptr)
        store(d_logits.row(m) + j, select(ignored, zero(), scales * (rest * yes - wy * no)), extent);
    });
    losses[m] = sum(totals);
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_LOSS_BINARY_CROSS_ENTROPY_HPP
