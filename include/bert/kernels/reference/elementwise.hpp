// Column sums, row copies, sums and scalings as plain loops.
// Layer: kernels. Test: tests/unit/kernels/rows/elementwise_test.cpp
#ifndef BERT_KERNELS_REFERENCE_ELEMENTWISE_HPP
#define BERT_KERNELS_REFERENCE_ELEMENTWISE_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bert/core/isa.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// d_bias[n] += sum_m d_y[m,n]
template <class T>
void column_sums(matrix<const T> d_y, T* d_bias) {
  for (std::size_t m = 0; m < d_y.rows; ++m)
    for (std::size_t n = 0; n < d_y.cols; ++n) d_bias[n] += d_y(m, n);
}

/// y[r,:] = x[rows[r],:]
template <class T>
void gather_rows(matrix<const T> x, std::span<const std::uint32_t> rows, matrix<T> y) {
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::size_t n = 0; n < x.cols; ++n) y(r, n) = x(rows[r], n);
}

/// d_x[rows[r],:] += d_y[r,:]
template <class T>
void scatter_add_rows(matrix<const T> d_y, std::span<const std::uint32_t> rows, matrix<T> d_x) {
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::size_t n = 0; n < d_y.cols; ++n) d_x(rows[r], n) += d_y(r, n);
}

/// y += x
template <class T>
void add_in_place(matrix<const T> x, matrix<T> y) {
  for (std::size_t m = 0; m < x.rows; ++m)
    for (std::size_t n = 0; n < x.cols; ++n) y(m, n) += x(m, n);
}

/// x = tanh(x)
template <class T>
void tanh_forward(matrix<T> x) {
  for (std::size_t m = 0; m < x.rows; ++m)
    for (T& v : x[m]) v = std::tanh(v);
}

/// d *= 1 - y^2
template <class T>
void tanh_backward(matrix<const T> y, matrix<T> d) {
  for (std::size_t m = 0; m < y.rows; ++m)
    for (std::size_t n = 0; n < y.cols; ++n) d(m, n) *= T(1) - y(m, n) * y(m, n);
}

/// sum_i x[i]^2
template <class T>
[[nodiscard]] double squared_norm(std::span<const T> x) {
  double total = 0;
  for (const T v : x) total += static_cast<double>(v) * static_cast<double>(v);
  return total;
}

/// x *= factor
template <class T>
void scale(std::span<T> x, T factor) {
  for (T& v : x) v *= factor;
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_ELEMENTWISE_HPP
