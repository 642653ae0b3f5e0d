// Softmax cross-entropy as plain loops.
// Layer: kernels. Test: tests/unit/kernels/loss/cross_entropy_test.cpp
#pragma once

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

}  // namespace bert::kernels::reference
