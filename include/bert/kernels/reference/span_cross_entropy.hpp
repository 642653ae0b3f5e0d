// Cross-entropy of the first and last token of a span as plain loops.
// Layer: kernels. Test: tests/unit/kernels/loss/span_cross_entropy_test.cpp
#ifndef BERT_KERNELS_REFERENCE_SPAN_CROSS_ENTROPY_HPP
#define BERT_KERNELS_REFERENCE_SPAN_CROSS_ENTROPY_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "bert/core/isa.hpp"
#include "bert/tensor/training_batch.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// Losses, argmaxes (unless nullptr) and gradients (unless data is nullptr) of sequences; a span of -1 ignores its sequence.
template <class T>
void span_cross_entropy(matrix<const T> logits, std::span<const std::size_t> starts, std::span<const token_span> spans,
                        T* losses, token_span* predicted, matrix<T> d_logits, T scale) {
  for (std::size_t s = 0; s < spans.size(); ++s) {
    losses[s] = 0;
    for (std::size_t c = 0; c < 2; ++c) {
      const std::int32_t target = c == 0 ? spans[s].first : spans[s].last;
      std::size_t best = starts[s];
      for (std::size_t n = starts[s]; n < starts[s + 1]; ++n)
        if (logits(n, c) > logits(best, c)) best = n;
      if (predicted != nullptr) (c == 0 ? predicted[s].first : predicted[s].last) = static_cast<std::int32_t>(best - starts[s]);
      const T top = logits(best, c);
      T total = 0;
      for (std::size_t n = starts[s]; n < starts[s + 1]; ++n) total += std::exp(logits(n, c) - top);
      const std::size_t at = starts[s] + static_cast<std::size_t>(std::max(target, 0));
      if (target >= 0) losses[s] += (top + std::log(total) - logits(at, c)) / 2;
      if (d_logits.data == nullptr) continue;
      for (std::size_t n = starts[s]; n < starts[s + 1]; ++n)
        d_logits(n, c) = target < 0 ? T(0) : scale / 2 * (std::exp(logits(n, c) - top) / total - (n == at ? T(1) : T(0)));
    }
  }
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_SPAN_CROSS_ENTROPY_HPP
