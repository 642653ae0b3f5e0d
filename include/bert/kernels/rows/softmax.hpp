// Softmax of rows.
// Layer: kernels. Test: tests/unit/kernels/rows/softmax_test.cpp
#ifndef BERT_KERNELS_ROWS_SOFTMAX_HPP
#define BERT_KERNELS_ROWS_SOFTMAX_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <type_traits>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/functions.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// y[m,v] = exp(x[m,v]) / sum_w exp(x[m,w])
///
/// Writes `y` [M, V], which may be `x`. The row's maximum is subtracted first, so no exponent overflows.
template <executor E>
void softmax_rows(const E& e, matrix<const float> x, matrix<float> y) noexcept {
  for_each_row(e, x.rows, x.cols, [&](std::size_t m) {
    const float* in = x.row(m);
    float* out = y.row(m);
    simd greatest(-std::numeric_limits<float>::infinity());
    std::size_t i = 0;
    for (; i + lanes <= x.cols; i += lanes) greatest = max(greatest, load(in + i));
    float top = maximum(greatest);
    for (; i < x.cols; ++i) top = in[i] > top ? in[i] : top;
    const simd tops(top);
    simd totals = zero();
    for_each_register(x.cols, [&](std::size_t j, auto extent) {
      const simd p = exp(load(in + j, extent) - tops);
      store(out + j, p, extent);
      totals += load(out + j, extent);  // as stored: zeros past the end
    });
    const simd share(1.0f / sum(totals));
    for_each_register(x.cols, [&](std::size_t j, auto extent) { store(out + j, load(out + j, extent) * share, extent); });
  });
}

/// log sum_v exp(x[v]), in f64: for losses of a few rows; not vectorized.
[[nodiscard]] inline double log_sum_exp(std::span<const float> x) noexcept {
  const double most = static_cast<double>(*std::max_element(x.begin(), x.end()));
  double sum = 0;
  for (const float value : x) sum += std::exp(static_cast<double>(value) - most);
  return std::log(sum) + most;
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_ROWS_SOFTMAX_HPP
