// SGD with momentum, one pass over a span of the parameter block.
// Layer: kernels. Test: tests/unit/kernels/optimizer/optimizers_test.cpp. Paper: Sutskever et al. 2013, "On the importance of
// initialization and momentum in deep learning".
#ifndef BERT_KERNELS_OPTIMIZER_SGD_HPP
#define BERT_KERNELS_OPTIMIZER_SGD_HPP

#include <cstddef>
#include <cstdint>
#include <span>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"

namespace bert::inline BERT_ISA::kernels {

/// Which direction a step takes: the velocity, or, after Nesterov, the gradient at where the velocity leads.
enum class momentum_kind : std::uint8_t { classical, nesterov };

/// The hyper-parameters of one step.
struct sgd_step {
  float rate = 1e-2f, momentum = 0.9f, decay = 0.0f;
  momentum_kind kind = momentum_kind::classical;
  float gradient_scale = 1.0f;  ///< the factor of clipping and accumulation
};

/// g = gradient_scale * gradient + decay p;  v = momentum v + g;  p = p - rate v, or p - rate (g + momentum v) after Nesterov
///
/// Updates `v` and `p` in place; all spans have one length.
template <executor E>
void sgd(const E& e, const sgd_step& step, std::span<const float> gradient, std::span<float> v, std::span<float> p) noexcept {
  const simd keep(step.momentum), factor(step.gradient_scale), decay(step.decay), back(-step.rate);
  const bool nesterov = step.kind == momentum_kind::nesterov;
  for_each_range(e, p.size(), floats_a_task, [&](std::size_t first, std::size_t last) {
    const float* from = gradient.data() + first;
    float *of_v = v.data() + first, *of_p = p.data() + first;
    for_each_register(last - first, [&](std::size_t i, auto extent) {
      const simd at = load(of_p + i, extent);
      const simd g = fma(decay, at, load(from + i, extent) * factor);
      const simd velocity = fma(keep, load(of_v + i, extent), g);
      store(of_v + i, velocity, extent);
      store(of_p + i, fma(back, nesterov ? fma(keep, velocity, g) : velocity, at), extent);
    });
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_OPTIMIZER_SGD_HPP
