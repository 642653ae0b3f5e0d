// Divergence of rows of logits from a teacher's at a temperature, and its gradient.
// Layer: kernels. Test: tests/unit/kernels/loss/soft_labels_test.cpp
// Paper: Hinton et al. 2015, "Distilling the knowledge in a neural network".
#ifndef BERT_KERNELS_LOSS_SOFT_LABELS_HPP
#define BERT_KERNELS_LOSS_SOFT_LABELS_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/epilogue.hpp"
#include "bert/kernels/loss/cross_entropy.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/functions.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

namespace detail {

/// T^2 KL(softmax(u / T) || softmax(z / T)) of rows of `n` floats. d = scale T (softmax(z / T) - softmax(u / T)), written or
/// added; `d` may be `z`.
[[nodiscard]] inline float soft_row(const float* z, const float* u, std::size_t n, float temperature, float* d, float scale,
                                    gradients how) noexcept {
  const simd top_z(greatest_of(z, n)), top_u(greatest_of(u, n)), colder(1.0f / temperature);
  simd total_z = zero(), total_u = zero(), apart = zero();
  for_each_register(n, [&](std::size_t j, auto extent) {
    const simd a = (load(z + j, extent) - top_z) * colder, b = (load(u + j, extent) - top_u) * colder, q = exp(b);
    total_z += within(exp(a), extent);
    total_u += within(q, extent);
    apart += within(q * (b - a), extent);
  });
  const float all_z = sum(total_z), all_u = sum(total_u);
  const simd of_z(scale * temperature / all_z), of_u(scale * temperature / all_u);
  for_each_register(n, [&](std::size_t j, auto extent) {
    const simd p = exp((load(z + j, extent) - top_z) * colder), q = exp((load(u + j, extent) - top_u) * colder);
    const simd slope = p * of_z - q * of_u;
    store(d + j, how == gradients::added ? load(d + j, extent) + slope : slope, extent);
  });
  return temperature * temperature * (sum(apart) / all_u + std::log(all_z / all_u));
}

}  // namespace detail

/// losses[m] = T^2 KL(q || p),  p = softmax(logits[m,:] / T), q = softmax(teacher[m,:] / T)
/// d_logits[m,:] = scale T (p - q), written or added
///
/// logits, teacher [M, V]. Where `targets` [M] is negative, the row is not counted: loss 0, gradient 0; empty: all are counted.
/// Writes `losses` [M]. `d_logits` may be `logits` if it is written.
template <executor E>
void soft_labels(const E& e, matrix<const float> logits, matrix<const float> teacher, std::span<const std::int32_t> targets,
                 float temperature, float* losses, matrix<float> d_logits, float scale, gradients how) noexcept {
  for_each_row(e, logits.rows, logits.cols, [&](std::size_t m) {
    float* d = d_logits.row(m);
    if (!targets.empty() && targets[m] < 0) {
      losses[m] = 0.0f;
      if (how == gradients::written)
        for_each_register(logits.cols, [&](std::size_t j, auto extent) { store(d + j, zero(), extent); });
      return;
    }
    losses[m] = detail::soft_row(logits.row(m), teacher.row(m), logits.cols, temperature, d, scale, how);
  });
}

/// losses[m] = T^2 sum_v KL(q || p) of yes-or-no decisions,  p = sigmoid(logits[m,v] / T), q = sigmoid(teacher[m,v] / T)
/// d_logits[m,v] = scale T (p - q), written or added
///
/// logits, teacher [M, V]. Writes `losses` [M]. `d_logits` may be `logits` if it is written.
template <executor E>
void soft_decisions(const E& e, matrix<const float> logits, matrix<const float> teacher, float temperature, float* losses,
                    matrix<float> d_logits, float scale, gradients how) noexcept {
  const simd one(1.0f), colder(1.0f / temperature), slopes(scale * temperature);
  for_each_row(e, logits.rows, logits.cols, [&](std::size_t m) {
    const float *z = logits.row(m), *u = teacher.row(m);
    float* d = d_logits.row(m);
    simd totals = zero();
    // log(1 + exp x) = max(0, x) + log(1 + exp(-|x|)); sigmoid(x) of exp(-|x|), so that neither overflows.
    const auto softplus = [&](simd x) { return max(zero(), x) + log(one + exp(zero() - abs(x))); };
    const auto sigmoid = [&](simd x) {
      const simd small = exp(zero() - abs(x));
      return select(x < zero(), small, one) / (one + small);
    };
    for_each_register(logits.cols, [&](std::size_t j, auto extent) {
      const simd a = load(z + j, extent) * colder, b = load(u + j, extent) * colder, q = sigmoid(b);
      // log sigmoid(x) = x - softplus(x), log(1 - sigmoid(x)) = -softplus(x)
      totals += detail::within(q * (b - a) + softplus(a) - softplus(b), extent);
      const simd slope = slopes * (sigmoid(a) - q);
      store(d + j, how == gradients::added ? load(d + j, extent) + slope : slope, extent);
    });
    losses[m] = temperature * temperature * sum(totals);
  });
}

/// losses[s] = T^2 / 2 sum_c KL(q_c || p_c),  p_c = softmax_n(logits[n,c] / T) over the tokens n of sequence s, q_c the
/// teacher's d_logits[n,c] = scale T / 2 (p_c[n] - q_c[n]), written or added
///
/// logits, teacher [N, 2]; sequence s is the rows [starts[s], starts[s+1]). Writes `losses` [S]; `columns` [6 N] is scratch.
/// `d_logits` may be `logits` if it is written.
template <executor E>
void soft_spans(const E& e, matrix<const float> logits, matrix<const float> teacher, std::span<const std::size_t> starts,
                float temperature, float* losses, matrix<float> d_logits, float scale, gradients how, float* columns) noexcept {
  const std::size_t sequences = starts.size() - 1, mean = sequences == 0 ? 1 : 2 * logits.rows / sequences;
  for_each_row(e, sequences, mean, [&](std::size_t s) {
    const std::size_t from = starts[s], count = starts[s + 1] - from;
    float *z = columns + 6 * from, *u = z + 2 * count, *d = u + 2 * count;
    for (std::size_t n = 0; n < count; ++n)
      for (std::size_t c = 0; c < 2; ++c) {
        z[c * count + n] = logits(from + n, c);
        u[c * count + n] = teacher(from + n, c);
      }
    losses[s] = 0.0f;
    for (std::size_t c = 0; c < 2; ++c)
      losses[s] += 0.5f * detail::soft_row(z + c * count, u + c * count, count, temperature, d + c * count, 0.5f * scale,
                                           gradients::written);
    for (std::size_t n = 0; n < count; ++n)
      for (std::size_t c = 0; c < 2; ++c) {
        float& to = d_logits(from + n, c);
        to = how == gradients::added ? to + d[c * count + n] : d[c * count + n];
      }
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_LOSS_SOFT_LABELS_HPP
