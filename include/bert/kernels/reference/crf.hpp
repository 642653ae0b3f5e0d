// A linear-chain CRF as plain loops over logarithms.
// Layer: kernels. Test: tests/unit/kernels/loss/crf_test.cpp
#ifndef BERT_KERNELS_REFERENCE_CRF_HPP
#define BERT_KERNELS_REFERENCE_CRF_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// A CRF of `tags` tags; `weights` and `allowed` hold start [L], end [L], then transitions from and to [L, L].
template <class T>
struct crf {
  std::size_t tags;
  std::span<const T> weights;
  std::span<const float> allowed;

  [[nodiscard]] std::size_t start(std::size_t j) const { return j; }
  [[nodiscard]] std::size_t end(std::size_t j) const { return tags + j; }
  [[nodiscard]] std::size_t edge(std::size_t i, std::size_t j) const { return (2 + i) * tags + j; }
  /// The weight, -infinity where it is not allowed.
  [[nodiscard]] T at(std::size_t k) const { return allowed[k] != 0 ? weights[k] : -std::numeric_limits<T>::infinity(); }

  /// The score of a path over emissions `x` [T, L].
  [[nodiscard]] T score(matrix<const T> x, std::span<const std::int32_t> path) const {
    const auto tag = [&](std::size_t t) { return static_cast<std::size_t>(path[t]); };
    T sum = at(start(tag(0))) + at(end(tag(x.rows - 1)));
    for (std::size_t t = 0; t < x.rows; ++t) sum += x(t, tag(t)) + (t > 0 ? at(edge(tag(t - 1), tag(t))) : T(0));
    return sum;
  }
};

/// log sum_k exp(values[k]); -infinity if all are.
template <class T>
[[nodiscard]] T log_sum(const std::vector<T>& values) {
  T most = -std::numeric_limits<T>::infinity(), sum = 0;
  for (const T v : values) most = v > most ? v : most;
  if (std::isinf(most)) return most;
  for (const T v : values) sum += std::exp(v - most);
  return most + std::log(sum);
}

/// Logarithms of the forward and the backward sums of one sequence, [T, L] each, and log Z.
template <class T>
struct crf_sums {
  std::vector<std::vector<T>> forward, backward;
  T normalizer;

  crf_sums(const crf<T>& c, matrix<const T> x) : forward(x.rows, std::vector<T>(c.tags)), backward(forward) {
    std::vector<T> terms(c.tags);
    for (std::size_t t = 0; t < x.rows; ++t)
      for (std::size_t j = 0; j < c.tags; ++j) {
        for (std::size_t i = 0; t > 0 && i < c.tags; ++i) terms[i] = forward[t - 1][i] + c.at(c.edge(i, j));
        forward[t][j] = x(t, j) + (t == 0 ? c.at(c.start(j)) : log_sum(terms));
      }
    for (std::size_t t = x.rows; t-- > 0;)
      for (std::size_t i = 0; i < c.tags; ++i) {
        for (std::size_t j = 0; t + 1 < x.rows && j < c.tags; ++j)
          terms[j] = c.at(c.edge(i, j)) + x(t + 1, j) + backward[t + 1][j];
        backward[t][i] = t + 1 == x.rows ? c.at(c.end(i)) : log_sum(terms);
      }
    for (std::size_t j = 0; j < c.tags; ++j) terms[j] = forward.back()[j] + c.at(c.end(j));
    normalizer = log_sum(terms);
  }
};

/// log Z - score(path) of one sequence. Adds its gradients times `scale` to `d_x` [T, L] and `d_weights`.
template <class T>
[[nodiscard]] T crf_loss(const crf<T>& c, matrix<const T> x, std::span<const std::int32_t> path, matrix<T> d_x,
                         std::span<T> d_weights, T scale) {
  const crf_sums<T> sums(c, x);
  const auto tag = [&](std::size_t t) { return static_cast<std::size_t>(path[t]); };
  for (std::size_t t = 0; t < x.rows; ++t)
    for (std::size_t j = 0; j < c.tags; ++j) {
      const T p = std::exp(sums.forward[t][j] + sums.backward[t][j] - sums.normalizer) - (tag(t) == j ? T(1) : T(0));
      d_x(t, j) += scale * p;
      if (t == 0) d_weights[c.start(j)] += scale * p;
      if (t + 1 == x.rows) d_weights[c.end(j)] += scale * p;
      for (std::size_t i = 0; t > 0 && i < c.tags; ++i)
        d_weights[c.edge(i, j)] +=
            scale * (std::exp(sums.forward[t - 1][i] + c.at(c.edge(i, j)) + x(t, j) + sums.backward[t][j] - sums.normalizer) -
                     (tag(t - 1) == i && tag(t) == j ? T(1) : T(0)));
    }
  return sums.normalizer - c.score(x, path);
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_CRF_HPP
