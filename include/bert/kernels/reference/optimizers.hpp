// SGD, Lion, LAMB and Adafactor as plain loops.
// Layer: kernels. Test: tests/unit/kernels/optimizer/optimizers_test.cpp
#ifndef BERT_KERNELS_REFERENCE_OPTIMIZERS_HPP
#define BERT_KERNELS_REFERENCE_OPTIMIZERS_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/kernels/optimizer/adafactor.hpp"
#include "bert/kernels/optimizer/lamb.hpp"
#include "bert/kernels/optimizer/lion.hpp"
#include "bert/kernels/optimizer/sgd.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// Updates v and p in place.
template <class T>
void sgd(const sgd_step& step, std::span<const T> gradient, std::span<T> v, std::span<T> p) {
  for (std::size_t i = 0; i < p.size(); ++i) {
    const T g = static_cast<T>(step.gradient_scale) * gradient[i] + static_cast<T>(step.decay) * p[i];
    v[i] = static_cast<T>(step.momentum) * v[i] + g;
    p[i] -=
        static_cast<T>(step.rate) * (step.kind == momentum_kind::nesterov ? g + static_cast<T>(step.momentum) * v[i] : v[i]);
  }
}

/// Updates m and p in place.
template <class T>
void lion(const lion_step& step, std::span<const T> gradient, std::span<T> m, std::span<T> p) {
  const T b1 = static_cast<T>(step.beta1), b2 = static_cast<T>(step.beta2), rate = static_cast<T>(step.rate);
  for (std::size_t i = 0; i < p.size(); ++i) {
    const T g = static_cast<T>(step.gradient_scale) * gradient[i], x = b1 * m[i] + (T(1) - b1) * g;
    p[i] -= rate * ((x > T(0) ? T(1) : x < T(0) ? T(-1) : T(0)) + static_cast<T>(step.decay) * p[i]);
    m[i] = b2 * m[i] + (T(1) - b2) * g;
  }
}

/// Updates m, v and p in place.
template <class T>
void lamb(const adamw_step& step, trust_ratio trust, std::span<const T> gradient, std::span<T> m, std::span<T> v,
          std::span<T> p) {
  const T b1 = static_cast<T>(step.beta1), b2 = static_cast<T>(step.beta2);
  std::vector<T> r(p.size());
  T of_p = 0, of_r = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const T g = static_cast<T>(step.gradient_scale) * gradient[i];
    m[i] = b1 * m[i] + (T(1) - b1) * g;
    v[i] = b2 * v[i] + (T(1) - b2) * g * g;
    const T mean = m[i] / static_cast<T>(step.correction1), square = v[i] / static_cast<T>(step.correction2);
    r[i] = mean / (std::sqrt(square) + static_cast<T>(step.epsilon)) + static_cast<T>(step.decay) * p[i];
    of_p += p[i] * p[i];
    of_r += r[i] * r[i];
  }
  const T ratio = trust == trust_ratio::norms && of_p > 0 && of_r > 0 ? std::sqrt(of_p / of_r) : T(1);
  for (std::size_t i = 0; i < p.size(); ++i) p[i] -= static_cast<T>(step.rate) * ratio * r[i];
}

/// Of a matrix with `rows` [R] and `columns` [C], or, if `columns` is empty, of a vector whose mean squares are `rows`. Updates
/// all but the gradient in place.
template <class T>
void adafactor(const adafactor_step& step, std::span<const T> gradient, std::span<T> rows, std::span<T> columns,
               std::span<T> p) {
  const std::size_t r_count = rows.size(), c_count = std::max<std::size_t>(1, columns.size());
  const T keep = static_cast<T>(step.beta2);
  std::vector<T> u(p.size()), of_row(r_count), of_column(c_count);
  for (std::size_t r = 0; r < r_count; ++r)
    for (std::size_t c = 0; c < c_count; ++c) {
      u[r * c_count + c] = static_cast<T>(step.gradient_scale) * gradient[r * c_count + c];
      const T square = u[r * c_count + c] * u[r * c_count + c] + static_cast<T>(step.epsilon);
      of_row[r] += square / static_cast<T>(c_count);
      of_column[c] += square / static_cast<T>(r_count);
    }
  T mean = 0, squares = 0;
  for (std::size_t r = 0; r < r_count; ++r) {
    rows[r] = keep * rows[r] + (T(1) - keep) * of_row[r];
    mean += rows[r] / static_cast<T>(r_count);
  }
  for (std::size_t c = 0; c < columns.size(); ++c) columns[c] = keep * columns[c] + (T(1) - keep) * of_column[c];
  for (std::size_t i = 0; i < p.size(); ++i) {
    const T v = columns.empty() ? rows[i] : rows[i / c_count] * columns[i % c_count] / mean;
    u[i] /= std::sqrt(v);
    squares += u[i] * u[i];
  }
  const T rms = std::sqrt(squares / static_cast<T>(p.size()));
  const T rate = static_cast<T>(step.rate);
  for (std::size_t i = 0; i < p.size(); ++i)
    p[i] -= rate * (u[i] / std::max(T(1), rms / static_cast<T>(step.threshold)) + static_cast<T>(step.decay) * p[i]);
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_OPTIMIZERS_HPP
