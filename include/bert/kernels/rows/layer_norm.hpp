// Layer normalization, forward and backward.
// Layer: kernels. Test: tests/unit/kernels/rows/layer_norm_test.cpp. Paper: Ba, Kiros and Hinton 2016, "Layer normalization".
#ifndef BERT_KERNELS_ROWS_LAYER_NORM_HPP
#define BERT_KERNELS_ROWS_LAYER_NORM_HPP

#include <cmath>
#include <cstddef>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/elementwise.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/rows/row_groups.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// The default `then` of `layer_norm`: does nothing.
struct leave_row {
  void operator()(std::size_t, const float*) const noexcept {}
};

/// y[n,:] = gain * (x[n,:] - mean) / sqrt(var + epsilon) + bias
///
/// Normalizes every row of `x` [N, H] into `y` [N, H]; the two may be the same memory. var divides by H.
/// Writes `mean` [N] and `rstd` [N] = 1 / sqrt(var + epsilon) for the backward pass; either may be nullptr.
/// Calls `then(n, y[n,:])` for every row after writing it, while it is in the first-level cache.
template <executor E, class Then = leave_row>
void layer_norm(const E& e, matrix<const float> x, const float* gain, const float* bias, float epsilon, matrix<float> y,
                float* mean, float* rstd, const Then& then = {}) noexcept {
  const std::size_t cols = x.cols;
  const float share = 1.0f / static_cast<float>(cols);
  for_each_row(e, x.rows, cols, [&](std::size_t n) {
    const float* in = x.row(n);
    float* out = y.row(n);
    // Two passes over a row in the first-level cache: a large mean costs the variance no precision.
    std::size_t i = 0;
    simd total0 = zero(), total1 = zero();
    for (; i + 2 * lanes <= cols; i += 2 * lanes) {
      total0 += load(in + i);
      total1 += load(in + i + lanes);
    }
    for_each_register(cols - i, [&](std::size_t j, auto extent) { total0 += load(in + i + j, extent); });
    const float center = sum(total0 + total1) * share;

    simd square0 = zero(), square1 = zero();
    const simd centers(center);
    for (i = 0; i + 2 * lanes <= cols; i += 2 * lanes) {
      const simd a = load(in + i) - centers, b = load(in + i + lanes) - centers;
      square0 = fma(a, a, square0);
      square1 = fma(b, b, square1);
    }
    float rest = 0.0f;
    for (; i + lanes <= cols; i += lanes) {
      const simd a = load(in + i) - centers;
      square0 = fma(a, a, square0);
    }
    for (; i < cols; ++i) rest += (in[i] - center) * (in[i] - center);
    const float scale = 1.0f / std::sqrt((sum(square0 + square1) + rest) * share + epsilon);

    const simd scales(scale);
    for_each_register(cols, [&](std::size_t j, auto extent) {
      store(out + j, fma((load(in + j, extent) - centers) * scales, load(gain + j, extent), load(bias + j, extent)), extent);
    });
    if (mean != nullptr) mean[n] = center;
    if (rstd != nullptr) rstd[n] = scale;
    then(n, out);
  });
}

namespace detail {

/// d_gain += sum_n d_y * (x - mean) * rstd,  d_bias += sum_n d_y, unless `d_bias` is nullptr
template <executor E>
void norm_parameter_gradients(const E& e, matrix<const float> x, const float* mean, const float* rstd, matrix<const float> d_y,
                              float* d_gain, float* d_bias, const row_groups& groups) noexcept {
  for_each_column_range(e, x.cols, [&](std::size_t first, std::size_t last) {
    std::size_t done = first;
    for (; done + 4 * lanes <= last; done += 4 * lanes) {  // 256 bytes of a row at a time on AVX-512
      const auto total = sum_rows(groups, x.rows, [&](std::size_t row0, std::size_t row1) {
        register_sums<8> sums;  // four of the gain, four of the bias
        for (std::size_t n = row0; n < row1; ++n) {
          const float *in = x.row(n) + done, *d_out = d_y.row(n) + done;
          const simd center(mean[n]), scale(rstd[n]);
          unrolled<4>([&](auto k) {
            const simd d = load(d_out + k * lanes);
            sums[k] = fma(d, (load(in + k * lanes) - center) * scale, sums[k]);
            sums[4 + k] += d;
          });
        }
        return sums;
      });
      unrolled<4>([&](auto k) {
        float* to_gain = d_gain + done + k * lanes;
        store(to_gain, load(to_gain) + total[k]);
        if (d_bias == nullptr) return;
        float* to_bias = d_bias + done + k * lanes;
        store(to_bias, load(to_bias) + total[4 + k]);
      });
    }
    for_each_register(last - done, [&](std::size_t i, auto extent) {
      const std::size_t column = done + i;
      const auto total = sum_rows(groups, x.rows, [&](std::size_t row0, std::size_t row1) {
        register_sums<2> sums;
        for (std::size_t n = row0; n < row1; ++n) {
          const simd d = load(d_y.row(n) + column, extent);
          const simd z = (load(x.row(n) + column, extent) - simd(mean[n])) * simd(rstd[n]);
          sums[0] = fma(d, z, sums[0]);
          sums[1] += d;
        }
        return sums;
      });
      store(d_gain + column, load(d_gain + column, extent) + total[0], extent);
      if (d_bias != nullptr) store(d_bias + column, load(d_bias + column, extent) + total[1], extent);
    });
  });
}

}  // namespace detail

/// With z = (x - mean) * rstd and g = gain * d_y:  d_x = rstd * (g - mean(g) - z * mean(g * z)),
/// d_gain += sum_n d_y * z,  d_bias += sum_n d_y
///
/// Writes `d_x` [N, H], which may be `d_y`; adds to `d_gain` [H] and `d_bias` [H], in the order of rows or by the tree of
/// `groups`. A null pointer is not computed: a frozen gain or bias, or a `d_x` that nothing reads.
template <executor E>
void layer_norm_backward(const E& e, matrix<const float> x, const float* gain, const float* mean, const float* rstd,
                         matrix<const float> d_y, matrix<float> d_x, float* d_gain, float* d_bias,
                         const row_groups& groups = {}) noexcept {
  // First the sums over rows, as d_x may overwrite d_y.
  if (d_gain != nullptr) detail::norm_parameter_gradients(e, x, mean, rstd, d_y, d_gain, d_bias, groups);
  else column_sums(e, d_y, d_bias, groups);
  if (d_x.data == nullptr) return;
  const std::size_t cols = x.cols;
  const float share = 1.0f / static_cast<float>(cols);
  for_each_row(e, x.rows, cols, [&](std::size_t n) {
    const float *in = x.row(n), *d_out = d_y.row(n);
    float* d_in = d_x.row(n);
    const simd center(mean[n]), scale(rstd[n]);
    simd along_one = zero(), along_z = zero();
    for_each_register(cols, [&](std::size_t i, auto extent) {
      const simd g = load(gain + i, extent) * load(d_out + i, extent);  // 0 in the lanes past the end
      along_one += g;
      along_z = fma(g, (load(in + i, extent) - center) * scale, along_z);
    });
    const simd mean_g(sum(along_one) * share), mean_gz(sum(along_z) * share);
    for_each_register(cols, [&](std::size_t i, auto extent) {
      const simd g = load(gain + i, extent) * load(d_out + i, extent), z = (load(in + i, extent) - center) * scale;
      store(d_in + i, scale * (g - mean_g - z * mean_gz), extent);
    });
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_ROWS_LAYER_NORM_HPP
