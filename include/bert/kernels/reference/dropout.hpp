// Dropout as plain loops.
// Layer: kernels. Test: tests/unit/kernels/rows/dropout_test.cpp
#ifndef BERT_KERNELS_REFERENCE_DROPOUT_HPP
#define BERT_KERNELS_REFERENCE_DROPOUT_HPP

#include <cstddef>
#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/kernels/rows/dropout.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// The factor of the element at (row, col).
template <class T>
[[nodiscard]] T dropout_factor(const dropout& d, std::uint64_t row, std::size_t col) {
  if (!d.active()) return T(1);
  return d.keep(row, static_cast<std::uint32_t>(col)) ? T(1) / (T(1) - static_cast<T>(d.rate)) : T(0);
}

/// x *= factors
template <class T>
void apply_dropout(dropout d, matrix<T> x) {
  for (std::size_t m = 0; m < x.rows; ++m)
    for (std::size_t n = 0; n < x.cols; ++n) x(m, n) *= dropout_factor<T>(d, m, n);
}

/// out = residual + branch * factors
template <class T>
void add_residual(dropout d, matrix<const T> branch, matrix<const T> residual, matrix<T> out) {
  for (std::size_t m = 0; m < out.rows; ++m)
    for (std::size_t n = 0; n < out.cols; ++n) out(m, n) = residual(m, n) + branch(m, n) * dropout_factor<T>(d, m, n);
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_DROPOUT_HPP
