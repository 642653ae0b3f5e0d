// Lion, one pass over a span of the parameter block.
// Layer: kernels. Test: tests/unit/kernels/optimizer/optimizers_test.cpp. Paper: Chen et al. 2023, "Symbolic discovery of
// optimization algorithms".
#ifndef BERT_KERNELS_OPTIMIZER_LION_HPP
#define BERT_KERNELS_OPTIMIZER_LION_HPP

#include <cstddef>
#include <span>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"

namespace bert::inline BERT_ISA::kernels {

/// The hyper-parameters of one step.
struct lion_step {
  float rate = 1e-4f, beta1 = 0.9f, beta2 = 0.99f, decay = 0.0f;
  float gradient_scale = 1.0f;  ///< the factor of clipping and accumulation
};

/// 1, 0 or -1
[[nodiscard]] inline simd sign(simd x) noexcept {
  return select(x > zero(), simd(1.0f), select(x < zero(), simd(-1.0f), zero()));
}

/// g = gradient_scale * gradient;  p = p (1 - rate decay) - rate sign(beta1 m + (1 - beta1) g);  m = beta2 m + (1 - beta2) g
///
/// Updates `m` and `p` in place; all spans have one length.
template <executor E>
void lion(const E& e, const lion_step& step, std::span<const float> gradient, std::span<float> m, std::span<float> p) noexcept {
  const simd keep1(step.beta1), take1(1.0f - step.beta1), keep2(step.beta2), take2(1.0f - step.beta2);
  const simd factor(step.gradient_scale), shrink(1.0f - step.rate * step.decay), back(-step.rate);
  for_each_range(e, p.size(), floats_a_task, [&](std::size_t first, std::size_t last) {
    const float* from = gradient.data() + first;
    float *of_m = m.data() + first, *of_p = p.data() + first;
    for_each_register(last - first, [&](std::size_t i, auto extent) {
      const simd g = load(from + i, extent) * factor, before = load(of_m + i, extent);
      const simd direction = sign(fma(keep1, before, take1 * g));
      store(of_m + i, fma(keep2, before, take2 * g), extent);
      store(of_p + i, fma(load(of_p + i, extent), shrink, back * direction), extent);
    });
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_OPTIMIZER_LION_HPP
