// Rows of unit length as plain loops.
// Layer: kernels. Test: tests/unit/kernels/rows/unit_rows_test.cpp
#ifndef BERT_KERNELS_REFERENCE_UNIT_ROWS_HPP
#define BERT_KERNELS_REFERENCE_UNIT_ROWS_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "bert/core/isa.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// Writes `y` and the inverse of each row's length.
template <class T>
void unit_rows(matrix<const T> x, matrix<T> y, T* inverse) {
  for (std::size_t n = 0; n < x.rows; ++n) {
    T squares = 0;
    for (const T v : x[n]) squares += v * v;
    inverse[n] = T(1) / std::max(std::sqrt(squares), T(1e-12));
    for (std::size_t i = 0; i < x.cols; ++i) y(n, i) = x(n, i) * inverse[n];
  }
}

/// Replaces the gradient with respect to `y` by that with respect to `x`.
template <class T>
void unit_rows_backward(matrix<const T> y, const T* inverse, matrix<T> d) {
  for (std::size_t n = 0; n < y.rows; ++n) {
    T along = 0;
    for (std::size_t i = 0; i < y.cols; ++i) along += y(n, i) * d(n, i);
    for (std::size_t i = 0; i < y.cols; ++i) d(n, i) = inverse[n] * (d(n, i) - along * y(n, i));
  }
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_UNIT_ROWS_HPP
