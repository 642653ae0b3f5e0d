// bf16 products of gradients as plain loops, with the order and the roundings that the kernels promise.
// Layer: kernels. Test: tests/unit/kernels/gemm/gradient_bf16_test.cpp
#ifndef BERT_KERNELS_REFERENCE_GRADIENT_BF16_HPP
#define BERT_KERNELS_REFERENCE_GRADIENT_BF16_HPP

#include <cstddef>

#include "bert/core/isa.hpp"
#include "bert/kernels/reference/gemm_bf16.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// c[m,n] = sum over k of bf16(a[k,m]) bf16(b[k,n]), as `sum_of_pairs`; a [K, M], b [K, N]
inline void gemm_transposed_bf16(matrix<const float> a, matrix<const float> b, matrix<float> c) noexcept {
  for (std::size_t m = 0; m < a.cols; ++m)
    for (std::size_t n = 0; n < b.cols; ++n)
      c(m, n) = sum_of_pairs(
          a.rows, [&](std::size_t k) { return to_bf16_normal(a(k, m)); },
          [&](std::size_t k) { return to_bf16_normal(b(k, n)); });
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_GRADIENT_BF16_HPP
