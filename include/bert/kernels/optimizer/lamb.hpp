// LAMB over one tensor: Adam's step, its length set by the norms of the tensor and of the step.
// Layer: kernels. Test: tests/unit/kernels/optimizer/optimizers_test.cpp. Paper: You et al. 2020, "Large batch optimization for
// deep learning: training BERT in 76 minutes".
#ifndef BERT_KERNELS_OPTIMIZER_LAMB_HPP
#define BERT_KERNELS_OPTIMIZER_LAMB_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/optimizer/adamw.hpp"
#include "bert/kernels/optimizer/range_sums.hpp"

namespace bert::inline BERT_ISA::kernels {

/// Whether the length of a tensor's step follows the tensor's norm.
enum class trust_ratio : std::uint8_t { norms, one };

/// m, v as AdamW;  r = (m / correction1) / (sqrt(v / correction2) + epsilon) + decay p;  p = p - rate |p| / |r| r
///
/// The ratio is 1 if a norm is 0, or with `trust_ratio::one`. Updates `m`, `v` and `p` in place; all spans have one length.
template <executor E>
void lamb(const E& e, const adamw_step& step, trust_ratio trust, std::span<const float> gradient, std::span<float> m,
          std::span<float> v, std::span<float> p) noexcept {
  const simd keep1(step.beta1), take1(1.0f - step.beta1), keep2(step.beta2), take2(1.0f - step.beta2);
  const simd factor(step.gradient_scale), decay(step.decay), epsilon(step.epsilon);
  const simd grow(1.0f / step.correction1), spread(1.0f / step.correction2);
  const auto direction = [&](simd mean, simd square, simd at) {
    return fma(decay, at, grow * mean / (sqrt(square * spread) + epsilon));
  };
  const auto squares = range_sums<2>(e, p.size(), [&](std::size_t i, auto extent, register_sums<2>& sums) {
    const simd g = load(gradient.data() + i, extent) * factor, at = load(p.data() + i, extent);
    const simd mean = fma(keep1, load(m.data() + i, extent), take1 * g);
    const simd square = fma(keep2, load(v.data() + i, extent), take2 * g * g);
    store(m.data() + i, mean, extent);
    store(v.data() + i, square, extent);
    const simd r = direction(mean, square, at);
    sums[0] = fma(at, at, sums[0]);
    // Past the end of a span p and m are zeros, and so is r.
    sums[1] = fma(r, r, sums[1]);
  });
  const bool scaled = trust == trust_ratio::norms && squares[0] > 0 && squares[1] > 0;
  const float ratio = scaled ? static_cast<float>(std::sqrt(squares[0] / squares[1])) : 1.0f;
  const simd back(-step.rate * ratio);
  for_each_range(e, p.size(), floats_a_task, [&](std::size_t first, std::size_t last) {
    for_each_register(last - first, [&](std::size_t j, auto extent) {
      const std::size_t i = first + j;
      const simd at = load(p.data() + i, extent);
      const simd r = direction(load(m.data() + i, extent), load(v.data() + i, extent), at);
      store(p.data() + i, fma(back, r, at), extent);
    });
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_OPTIMIZER_LAMB_HPP
