// Quantization and int8 products as plain loops.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_int8_test.cpp
#ifndef BERT_KERNELS_REFERENCE_INT8_HPP
#define BERT_KERNELS_REFERENCE_INT8_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// s = max_k |x[k]| / 127, q[k] = round(x[k] * (127 / max)), halves to even; returns s. If an element is infinite or NaN, so is
/// s. If s is 0, infinite or NaN, q is zeros.
inline float quantize_row(const float* x, std::size_t cols, std::int8_t* q) noexcept {
  float size = 0;
  for (std::size_t k = 0; k < cols && !std::isnan(size); ++k)
    if (!(std::fabs(x[k]) <= size)) size = std::fabs(x[k]);
  if (size < 0x1p-118f || !std::isfinite(size)) {
    for (std::size_t k = 0; k < cols; ++k) q[k] = 0;
    return size < 0x1p-118f ? 0 : size;
  }
  const float factor = 127.0f / size;
  for (std::size_t k = 0; k < cols; ++k) q[k] = static_cast<std::int8_t>(std::nearbyint(x[k] * factor));
  return size / 127.0f;
}

/// c[m,n] = sum over k of a[m,k] w[n,k]; a [M, K], w [N, K].
inline void gemm_int8(matrix<const std::int8_t> a, matrix<const std::int8_t> w, matrix<std::int64_t> c) noexcept {
  for (std::size_t m = 0; m < a.rows; ++m)
    for (std::size_t n = 0; n < w.rows; ++n) {
      std::int64_t sum = 0;
      for (std::size_t k = 0; k < a.cols; ++k) sum += std::int64_t{a(m, k)} * w(n, k);
      c(m, n) = sum;
    }
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_INT8_HPP
