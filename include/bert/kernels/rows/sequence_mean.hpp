// The mean of each sequence's rows, and its gradient.
// Layer: kernels. Test: tests/unit/kernels/rows/sequence_mean_test.cpp
#ifndef BERT_KERNELS_ROWS_SEQUENCE_MEAN_HPP
#define BERT_KERNELS_ROWS_SEQUENCE_MEAN_HPP

#include <algorithm>
#include <cstddef>
#include <span>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// y[s,:] = sum_t x[starts[s] + t,:] / T,  T = starts[s + 1] - starts[s]
///
/// Writes `y` [S, H] from `x` [N, H]; the rows of a sequence, at least one, are summed in order.
template <executor E>
void sequence_mean(const E& e, std::span<const std::size_t> starts, matrix<const float> x, matrix<float> y) noexcept {
  const std::size_t rows = y.rows, cols = y.cols;
  for_each_row(e, rows, cols * (starts[rows] - starts[0]) / std::max<std::size_t>(1, rows), [&](std::size_t s) {
    const simd share(1.0f / static_cast<float>(starts[s + 1] - starts[s]));
    for_each_register(cols, [&](std::size_t j, auto extent) {
      simd sum = zero();
      for (std::size_t n = starts[s]; n < starts[s + 1]; ++n) sum += load(x.row(n) + j, extent);
      store(y.row(s) + j, sum * share, extent);
    });
  });
}

/// d_x[starts[s] + t,:] += d_y[s,:] / T
///
/// Adds to `d_x` [N, H] the gradient for `d_y` [S, H].
template <executor E>
void sequence_mean_backward(const E& e, std::span<const std::size_t> starts, matrix<const float> d_y,
                            matrix<float> d_x) noexcept {
  const std::size_t rows = d_y.rows, cols = d_y.cols;
  for_each_row(e, rows, cols * (starts[rows] - starts[0]) / std::max<std::size_t>(1, rows), [&](std::size_t s) {
    const simd share(1.0f / static_cast<float>(starts[s + 1] - starts[s]));
    for (std::size_t n = starts[s]; n < starts[s + 1]; ++n)
      for_each_register(cols, [&](std::size_t j, auto extent) {
        store(d_x.row(n) + j, load(d_x.row(n) + j, extent) + load(d_y.row(s) + j, extent) * share, extent);
      });
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_ROWS_SEQUENCE_MEAN_HPP
