// Squared differences and cosines between the rows of two matrices, and their gradients: what hidden states are compared by.
// Layer: kernels. Test: tests/unit/kernels/loss/row_distances_test.cpp
#ifndef BERT_KERNELS_LOSS_ROW_DISTANCES_HPP
#define BERT_KERNELS_LOSS_ROW_DISTANCES_HPP

#include <cmath>
#include <cstddef>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/epilogue.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/rows/unit_rows.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// losses[n] = sum_j (x[n,j] - y[n,j])^2,  d_x[n,j] = 2 scale (x[n,j] - y[n,j]), written or added
///
/// x, y [N, H]. Writes `losses` [N]. `d_x` may be `x` if it is written.
template <executor E>
void squared_distance(const E& e, matrix<const float> x, matrix<const float> y, float* losses, matrix<float> d_x, float scale,
                      gradients how) noexcept {
  const simd slope(2.0f * scale);
  for_each_row(e, x.rows, x.cols, [&](std::size_t n) {
    const float *a = x.row(n), *b = y.row(n);
    float* d = d_x.row(n);
    simd squares = zero();
    for_each_register(x.cols, [&](std::size_t j, auto extent) {
      const simd apart = load(a + j, extent) - load(b + j, extent);
      squares = fma(apart, apart, squares);
      store(d + j, how == gradients::added ? fma(slope, apart, load(d + j, extent)) : slope * apart, extent);
    });
    losses[n] = sum(squares);
  });
}

/// losses[n] = 1 - c,  c = x[n,:] . y[n,:] / sqrt((|x[n,:]|^2 + 1e-12) (|y[n,:]|^2 + 1e-12)), as PyTorch's CosineEmbeddingLoss
/// d_x[n,:] += scale (c x[n,:] / (|x[n,:]|^2 + 1e-12) - y[n,:] / sqrt(…))
///
/// x, y [N, H]. Writes `losses` [N], adds to `d_x` [N, H].
template <executor E>
void cosine_distance(const E& e, matrix<const float> x, matrix<const float> y, float* losses, matrix<float> d_x,
                     float scale) noexcept {
  for_each_row(e, x.rows, x.cols, [&](std::size_t n) {
    const float *a = x.row(n), *b = y.row(n);
    const float aa = dot_product(a, a, x.cols) + 1e-12f, bb = dot_product(b, b, x.cols) + 1e-12f,
                inverse = 1.0f / (std::sqrt(aa) * std::sqrt(bb)), cosine = dot_product(a, b, x.cols) * inverse;
    losses[n] = 1.0f - cosine;
    add_scaled(scale * cosine / aa, a, d_x.row(n), x.cols);
    add_scaled(-scale * inverse, b, d_x.row(n), x.cols);
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_LOSS_ROW_DISTANCES_HPP
