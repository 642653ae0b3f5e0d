// AdamW, one pass over a span of the parameter block.
// Layer: kernels. Test: tests/unit/kernels/optimizer/adamw_test.cpp. Paper: Loshchilov and Hutter 2017, "Decoupled weight decay
// regularization".
#ifndef BERT_KERNELS_OPTIMIZER_ADAMW_HPP
#define BERT_KERNELS_OPTIMIZER_ADAMW_HPP

#include <cstddef>
#include <span>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"

namespace bert::inline BERT_ISA::kernels {

/// The hyper-parameters of one step. `correction1` = 1 - beta1^t and `correction2` = 1 - beta2^t, or both 1 for no bias
/// correction.
struct adamw_step {
  float rate = 1e-3f, beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f, decay = 0.0f;
  float correction1 = 1.0f, correction2 = 1.0f;
  float gradient_scale = 1.0f;  ///< the factor of clipping and accumulation
};

/// g = gradient_scale * gradient;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
/// p = p (1 - rate decay) - rate (m / correction1) / (sqrt(v / correction2) + epsilon)
///
/// Updates `m`, `v` and `p` in place; all spans have one length.
template <executor E>
void adamw(const E& e, const adamw_step& step, std::span<const float> gradient, std::span<float> m, std::span<float> v,
           std::span<float> p) noexcept {
  // 28 bytes per parameter are read or written, so the division and the square root are free.
  const simd keep1(step.beta1), take1(1.0f - step.beta1), keep2(step.beta2), take2(1.0f - step.beta2);
  const simd factor(step.gradient_scale), shrink(1.0f - step.rate * step.decay), epsilon(step.epsilon);
  const simd step_size(-step.rate / step.correction1), spread(1.0f / step.correction2);
  for_each_range(e, p.size(), floats_a_task, [&](std::size_t first, std::size_t last) {
    const float* from = gradient.data() + first;
    float *of_m = m.data() + first, *of_v = v.data() + first, *of_p = p.data() + first;
    for_each_register(last - first, [&](std::size_t i, auto extent) {
      const simd g = load(from + i, extent) * factor;
      const simd mean = fma(keep1, load(of_m + i, extent), take1 * g);
      const simd square = fma(keep2, load(of_v + i, extent), take2 * g * g);
      store(of_m + i, mean, extent);
      store(of_v + i, square, extent);
      const simd move = step_size * mean / (sqrt(square * spread) + epsilon);
      store(of_p + i, fma(load(of_p + i, extent), shrink, move), extent);
    });
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_OPTIMIZER_ADAMW_HPP
