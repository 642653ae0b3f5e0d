// Layer normalization as plain loops.
// Layer: kernels. Test: tests/unit/kernels/rows/layer_norm_test.cpp
#ifndef BERT_KERNELS_REFERENCE_LAYER_NORM_HPP
#define BERT_KERNELS_REFERENCE_LAYER_NORM_HPP

#include <cmath>
#include <cstddef>

#include "bert/core/isa.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// y = gain * (x - mean) * rstd + bias; mean and rstd [N] may be nullptr.
template <class T>
void layer_norm(matrix<const T> x, const T* gain, const T* bias, T epsilon, matrix<T> y, T* mean, T* rstd) {
  const T count = static_cast<T>(x.cols);
  for (std::size_t n = 0; n < x.rows; ++n) {
    T center = 0, variance = 0;
    for (const T v : x[n]) center += v / count;
    for (const T v : x[n]) variance += (v - center) * (v - center) / count;
    const T scale = T(1) / std::sqrt(variance + epsilon);
    for (std::size_t h = 0; h < x.cols; ++h) y(n, h) = gain[h] * (x(n, h) - center) * scale + bias[h];
    if (mean != nullptr) mean[n] = center;
    if (rstd != nullptr) rstd[n] = scale;
  }
}

/// Writes d_x; adds to d_gain and d_bias.
template <class T>
void layer_norm_backward(matrix<const T> x, const T* gain, const T* mean, const T* rstd, matrix<const T> d_y, matrix<T> d_x,
                         T* d_gain, T* d_bias) {
  const T count = static_cast<T>(x.cols);
  for (std::size_t n = 0; n < x.rows; ++n) {
    T mean_g = 0, mean_gz = 0;
    for (std::size_t h = 0; h < x.cols; ++h) {
      const T z = (x(n, h) - mean[n]) * rstd[n], g = gain[h] * d_y(n, h);
      mean_g += g / count;
      mean_gz += g * z / count;
      d_gain[h] += d_y(n, h) * z;
      d_bias[h] += d_y(n, h);
    }
    for (std::size_t h = 0; h < x.cols; ++h)
      d_x(n, h) = rstd[n] * (gain[h] * d_y(n, h) - mean_g - (x(n, h) - mean[n]) * rstd[n] * mean_gz);
  }
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_LAYER_NORM_HPP
