// Softmax of rows as plain loops.
// Layer: kernels. Test: tests/unit/kernels/rows/softmax_test.cpp
#ifndef BERT_KERNELS_REFERENCE_SOFTMAX_HPP
#define BERT_KERNELS_REFERENCE_SOFTMAX_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "bert/core/isa.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// y[m,:] = exp(x[m,:]) / sum exp(x[m,:])
template <class T>
void softmax_rows(matrix<const T> x, matrix<T> y) {
  for (std::size_t m = 0; m < x.rows; ++m) {
    const T top = *std::max_element(x[m].begin(), x[m].end());
    T total = 0;
    for (std::size_t v = 0; v < x.cols; ++v) total += std::exp(x(m, v) - top);
    for (std::size_t v = 0; v < x.cols; ++v) y(m, v) = std::exp(x(m, v) - top) / total;
  }
}

/// d_x = y * (d_y - sum(y * d_y)); writes d_x.
template <class T>
void softmax_rows_backward(matrix<const T> y, matrix<const T> d_y, matrix<T> d_x) {
  for (std::size_t m = 0; m < y.rows; ++m) {
    T along = 0;
    for (std::size_t v = 0; v < y.cols; ++v) along += y(m, v) * d_y(m, v);
    for (std::size_t v = 0; v < y.cols; ++v) d_x(m, v) = y(m, v) * (d_y(m, v) - along);
  }
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_SOFTMAX_HPP
