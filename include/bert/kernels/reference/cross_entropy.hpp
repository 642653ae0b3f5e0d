// Softmax cross-entropy as plain loops.
// Layer: kernels. Test: tests/unit/kernels/loss/cross_entropy_test.cpp
#ifndef BERT_KERNELS_REFERENCE_CROSS_ENTROPY_HPP
#define BERT_KERNELS_REFERENCE_CROSS_ENTROPY_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bert/core/isa.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// Losses, argmaxes (unless nullptr) and gradients (unless data is nullptr) of rows; a target below 0 ignores its row.
template <class T>
void cross_entropy(matrix<const T> logits, std::span<const std::int32_t> targets, T* losses, std::int32_t* predicted,
                   matrix<T> d_logits, T scale) {
  for (std::size_t m = 0; m < logits.rows; ++m) {
    const auto best = std::max_element(logits[m].begin(), logits[m].end());
    const T top = *best;
    if (predicted != nullptr) predicted[m] = static_cast<std::int32_t>(best - logits[m].begin());
    const bool counts = targets[m] >= 0;
    const auto target = static_cast<std::size_t>(targets[m]);
    T total = 0;
    for (const T v : logits[m]) total += std::exp(v - top);
    losses[m] = counts ? top + std::log(total) - logits(m, target) : T(0);
    if (d_logits.data != nullptr)
      for (std::size_t v = 0; v < logits.cols; ++v)
        d_logits(m, v) = counts ? scale * (std::exp(logits(m, v) - top) / total - (v == target ? T(1) : T(0))) : T(0);
  }
}

/// The same with label smoothing, weights of classes (none: 1) and the focal factor.
template <class T>
void class_cross_entropy(matrix<const T> logits, std::span<const std::int32_t> targets, T* losses, std::int32_t* predicted,
                         matrix<T> d_logits, T scale, T smoothing, std::span<const T> weights, T gamma) {
  const auto cols = static_cast<T>(logits.cols);
  for (std::size_t m = 0; m < logits.rows; ++m) {
    const auto best = std::max_element(logits[m].begin(), logits[m].end());
    if (predicted != nullptr) predicted[m] = static_cast<std::int32_t>(best - logits[m].begin());
    losses[m] = T(0);
    if (d_logits.data != nullptr) std::fill_n(d_logits.row(m), logits.cols, T(0));
    if (targets[m] < 0) continue;
    const auto target = static_cast<std::size_t>(targets[m]);
    T total = 0;
    for (const T v : logits[m]) total += std::exp(v - *best);
    const auto log_p = [&](std::size_t v) { return logits(m, v) - *best - std::log(total); };
    const auto a = [&](std::size_t v) {
      return (weights.empty() ? T(1) : weights[v]) * ((v == target ? 1 - smoothing : T(0)) + smoothing / cols);
    };
    T loss = 0, all = 0;
    for (std::size_t v = 0; v < logits.cols; ++v) {
      loss -= a(v) * log_p(v);
      all += a(v);
    }
    const T at = std::exp(log_p(target)), factor = std::pow(1 - at, gamma);
    const T slope = gamma == 0 ? T(0) : loss * gamma * std::pow(1 - at, gamma - 1) * at;
    losses[m] = factor * loss;
    if (d_logits.data == nullptr) continue;
    for (std::size_t v = 0; v < logits.cols; ++v) {
      const T p = std::exp(log_p(v));
      d_logits(m, v) = scale * (factor * (p * all - a(v)) + slope * (p - (v == target ? T(1) : T(0))));
    }
  }
}

/// Losses summed over the rows, and gradients, of yes-or-no decisions; a target below 0 ignores its cell.
template <class T>
void binary_cross_entropy(matrix<const T> logits, matrix<const T> targets, std::span<const T> weights, T* losses,
                          matrix<T> d_logits, T scale) {
  for (std::size_t m = 0; m < logits.rows; ++m) {
    losses[m] = T(0);
    for (std::size_t v = 0; v < logits.cols; ++v) {
      const T z = logits(m, v), y = targets(m, v), w = weights.empty() ? T(1) : weights[v], yes = 1 / (1 + std::exp(-z));
      if (y >= 0) losses[m] -= w * y * std::log(yes) + (1 - y) * std::log(1 - yes);
      if (d_logits.data != nullptr) d_logits(m, v) = y < 0 ? T(0) : scale * ((1 - y) * yes - w * y * (1 - yes));
    }
  }
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_CROSS_ENTROPY_HPP
