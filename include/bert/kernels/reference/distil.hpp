// Losses between student and teacher as plain loops.
// Layer: kernels. Test: tests/unit/kernels/loss
#ifndef BERT_KERNELS_REFERENCE_DISTIL_HPP
#define BERT_KERNELS_REFERENCE_DISTIL_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// log softmax(x / temperature)
template <class T>
[[nodiscard]] std::vector<T> log_softmax(std::vector<T> x, T temperature = T(1)) {
  const T top = *std::max_element(x.begin(), x.end());
  T total = 0;
  for (T& v : x) total += std::exp(v = (v - top) / temperature);
  for (T& v : x) v -= std::log(total);
  return x;
}

/// T^2 KL(softmax(u / T) || softmax(z / T)); writes its gradient with respect to z to `d` unless that is nullptr.
template <class T>
[[nodiscard]] T soft_labels(const std::vector<T>& z, const std::vector<T>& u, T temperature, T* d) {
  const auto p = log_softmax(z, temperature), q = log_softmax(u, temperature);
  T loss = 0;
  for (std::size_t v = 0; v < z.size(); ++v) {
    loss += temperature * temperature * std::exp(q[v]) * (q[v] - p[v]);
    if (d != nullptr) d[v] = temperature * (std::exp(p[v]) - std::exp(q[v]));
  }
  return loss;
}

/// T^2 KL(sigmoid(u / T) || sigmoid(z / T)) of one decision; writes its gradient to `d`.
template <class T>
[[nodiscard]] T soft_decision(T z, T u, T temperature, T& d) {
  const T p = 1 / (1 + std::exp(-z / temperature)), q = 1 / (1 + std::exp(-u / temperature));
  d = temperature * (p - q);
  return temperature * temperature * (q * std::log(q / p) + (1 - q) * std::log((1 - q) / (1 - p)));
}

/// The loss of one head of one sequence: x, y [T, D] of the student, u, v [T, D'] of the teacher. Adds the gradients to d_x and
/// d_y, which may be the same.
template <class T>
[[nodiscard]] T relations(matrix<const T> x, matrix<const T> y, matrix<const T> u, matrix<const T> v, bool distributions,
                          matrix<T> d_x, matrix<T> d_y) {
  const auto scores = [](matrix<const T> a, matrix<const T> b, std::size_t i) {
    std::vector<T> row(b.rows);
    for (std::size_t j = 0; j < b.rows; ++j) {
      for (std::size_t c = 0; c < a.cols; ++c) row[j] += a(i, c) * b(j, c);
      row[j] /= std::sqrt(static_cast<T>(a.cols));
    }
    return row;
  };
  T loss = 0;
  for (std::size_t i = 0; i < x.rows; ++i) {
    const auto s = scores(x, y, i), t = scores(u, v, i);
    std::vector<T> d(s.size());
    if (distributions) loss += soft_labels(s, t, T(1), d.data());
    else
      for (std::size_t j = 0; j < s.size(); ++j) {
        loss += (s[j] - t[j]) * (s[j] - t[j]);
        d[j] = 2 * (s[j] - t[j]);
      }
    for (std::size_t j = 0; j < s.size(); ++j)
      for (std::size_t c = 0; c < x.cols; ++c) {
        d_x(i, c) += d[j] * y(j, c) / std::sqrt(static_cast<T>(x.cols));
        d_y(j, c) += d[j] * x(i, c) / std::sqrt(static_cast<T>(x.cols));
      }
  }
  return loss;
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_DISTIL_HPP
