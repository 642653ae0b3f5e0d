// AdamW as a plain loop.
// Layer: kernels. Test: tests/unit/kernels/optimizer/adamw_test.cpp
#ifndef BERT_KERNELS_REFERENCE_ADAMW_HPP
#define BERT_KERNELS_REFERENCE_ADAMW_HPP

#include <cmath>
#include <cstddef>
#include <span>

#include "bert/core/isa.hpp"
#include "bert/kernels/optimizer/adamw.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// Updates m, v and p in place.
template <class T>
void adamw(const adamw_step& step, std::span<const T> gradient, std::span<T> m, std::span<T> v, std::span<T> p) {
  for (std::size_t i = 0; i < p.size(); ++i) {
    const T g = static_cast<T>(step.gradient_scale) * gradient[i], b1 = static_cast<T>(step.beta1),
            b2 = static_cast<T>(step.beta2);
    m[i] = b1 * m[i] + (T(1) - b1) * g;
    v[i] = b2 * v[i] + (T(1) - b2) * g * g;
    const T mean = m[i] / static_cast<T>(step.correction1), square = v[i] / static_cast<T>(step.correction2);
    p[i] -= static_cast<T>(step.rate) *
            (mean / (std::sqrt(square) + static_cast<T>(step.epsilon)) + static_cast<T>(step.decay) * p[i]);
  }
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_ADAMW_HPP
