// Rows of unit length, dot products of rows with rows, and their gradients: what losses on sentence vectors share.
// Layer: kernels. Test: tests/unit/kernels/rows/unit_rows_test.cpp
#ifndef BERT_KERNELS_ROWS_UNIT_ROWS_HPP
#define BERT_KERNELS_ROWS_UNIT_ROWS_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// sum_i a[i] b[i], in an order that depends on `n` and the ISA alone
[[nodiscard]] inline float dot_product(const float* a, const float* b, std::size_t n) noexcept {
  simd sums = zero();
  for_each_register(n, [&](std::size_t i, auto extent) { sums = fma(load(a + i, extent), load(b + i, extent), sums); });
  return sum(sums);
}

/// y[n,:] = x[n,:] / max(|x[n,:]|, 1e-12),  inverse[n] = 1 / max(|x[n,:]|, 1e-12)
///
/// Writes `y` [N, D], which may be `x`, and `inverse` [N].
template <executor E>
void unit_rows(const E& e, matrix<const float> x, matrix<float> y, float* inverse) noexcept {
  for_each_row(e, x.rows, x.cols, [&](std::size_t n) {
    const float* row = x.row(n);
    inverse[n] = 1.0f / std::max(std::sqrt(dot_product(row, row, x.cols)), 1e-12f);
    for_each_register(x.cols, [by = simd(inverse[n]), row, to = y.row(n)](std::size_t i, auto extent) {
      store(to + i, load(row + i, extent) * by, extent);
    });
  });
}

/// d[n,:] = inverse[n] (d[n,:] - y[n,:] (y[n,:] · d[n,:]))
///
/// `d` [N, D] holds the gradient with respect to `y` of unit_rows before, and to `x` after.
template <executor E>
void unit_rows_backward(const E& e, matrix<const float> y, const float* inverse, matrix<float> d) noexcept {
  for_each_row(e, y.rows, y.cols, [&](std::size_t n) {
    const float* of = y.row(n);
    float* to = d.row(n);
    const simd along(dot_product(of, to, y.cols)), by(inverse[n]);
    for_each_register(y.cols, [&](std::size_t i, auto extent) {
      store(to + i, by * (load(to + i, extent) - along * load(of + i, extent)), extent);
    });
  });
}

/// y += factor x, over `n` elements
inline void add_scaled(float factor, const float* x, float* y, std::size_t n) noexcept {
  for_each_register(n, [by = simd(factor), x, y](std::size_t i, auto extent) {
    store(y + i, fma(by, load(x + i, extent), load(y + i, extent)), extent);
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_ROWS_UNIT_ROWS_HPP
