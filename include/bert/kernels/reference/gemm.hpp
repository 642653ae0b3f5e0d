// Matrix products as plain loops in double.
// Layer: kernels. Test: tests/unit/kernels/gemm/gemm_test.cpp
#ifndef BERT_KERNELS_REFERENCE_GEMM_HPP
#define BERT_KERNELS_REFERENCE_GEMM_HPP

#include <cstddef>

#include "bert/core/isa.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// c[m,n] = sum over k of a[m,k] b[k,n]; a [M, K], b [K, N].
inline void gemm(matrix<const float> a, matrix<const float> b, matrix<double> c) noexcept {
  for (std::size_t m = 0; m < a.rows; ++m)
    for (std::size_t n = 0; n < b.cols; ++n) {
      double sum = 0;
      for (std::size_t k = 0; k < a.cols; ++k) sum += static_cast<double>(a(m, k)) * static_cast<double>(b(k, n));
      c(m, n) = sum;
    }
}

/// c[m,n] = sum over k of a[m,k] w[n,k]; a [M, K], w [N, K].
inline void gemm_weight(matrix<const float> a, matrix<const float> w, matrix<double> c) noexcept {
  for (std::size_t m = 0; m < a.rows; ++m)
    for (std::size_t n = 0; n < w.rows; ++n) {
      double sum = 0;
      for (std::size_t k = 0; k < a.cols; ++k) sum += static_cast<double>(a(m, k)) * static_cast<double>(w(n, k));
      c(m, n) = sum;
    }
}

/// c[m,n] = sum over k of a[k,m] b[k,n]; a [K, M], b [K, N].
inline void gemm_transposed(matrix<const float> a, matrix<const float> b, matrix<double> c) noexcept {
  for (std::size_t m = 0; m < a.cols; ++m)
    for (std::size_t n = 0; n < b.cols; ++n) {
      double sum = 0;
      for (std::size_t k = 0; k < a.rows; ++k) sum += static_cast<double>(a(k, m)) * static_cast<double>(b(k, n));
      c(m, n) = sum;
    }
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_GEMM_HPP
