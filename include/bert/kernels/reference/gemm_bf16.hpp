// bf16 products as plain loops, with the order and the roundings that the kernels promise.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_bf16_test.cpp
#ifndef BERT_KERNELS_REFERENCE_GEMM_BF16_HPP
#define BERT_KERNELS_REFERENCE_GEMM_BF16_HPP

#include <cmath>
#include <cstddef>

#include "bert/core/isa.hpp"
#include "bert/tensor/storage.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// x rounded to the nearest bf16, with |x| < 2^-126 to zero, as AVX512_BF16 rounds.
[[nodiscard]] inline bf16 to_bf16_normal(float x) noexcept {
  return to_bf16(std::abs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x);
}

/// sum over k of a(k) b(k), k = 1, 0, 3, 2, … below `depth`, each sum rounded to f32; a product of two bf16 is exact.
template <class Left, class Right>
[[nodiscard]] float sum_of_pairs(std::size_t depth, const Left& a, const Right& b) noexcept {
  float sum = 0;
  for (std::size_t k = 0; k < depth; k += 2)
    for (const std::size_t i : {k + 1, k})
      if (i < depth) sum += to_float(a(i)) * to_float(b(i));
  return sum;
}

/// c[m,n] = sum over k of a[m,k] bf16(w[n,k]), as `sum_of_pairs`; a [M, K], w [N, K]
inline void gemm_weight(matrix<const bf16> a, matrix<const float> w, matrix<float> c) noexcept {
  for (std::size_t m = 0; m < a.rows; ++m)
    for (std::size_t n = 0; n < w.rows; ++n)
      c(m, n) = sum_of_pairs(
          a.cols, [&](std::size_t k) { return a(m, k); }, [&](std::size_t k) { return to_bf16_normal(w(n, k)); });
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_GEMM_BF16_HPP
