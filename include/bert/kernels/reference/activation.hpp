// Activations as plain loops over the policies' scalar functions.
// Layer: kernels. Test: tests/unit/kernels/rows/activation_test.cpp
#ifndef BERT_KERNELS_REFERENCE_ACTIVATION_HPP
#define BERT_KERNELS_REFERENCE_ACTIVATION_HPP

#include <cstddef>

#include "bert/core/isa.hpp"
#include "bert/kernels/rows/activation.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// y = A(x)
template <class A, class T>
void activate(matrix<const T> x, matrix<T> y) {
  for (std::size_t m = 0; m < x.rows; ++m)
    for (std::size_t n = 0; n < x.cols; ++n) y(m, n) = A::forward(x(m, n));
}

/// d *= A'(x)
template <class A, class T>
void activate_backward(matrix<const T> x, matrix<T> d) {
  for (std::size_t m = 0; m < x.rows; ++m)
    for (std::size_t n = 0; n < x.cols; ++n) d(m, n) *= A::gradient(x(m, n));
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_ACTIVATION_HPP
