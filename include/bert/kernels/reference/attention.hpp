// Self-attention as plain loops, with the whole row of probabilities in memory.
// Layer: kernels. Test: tests/unit/kernels/attention/attention_test.cpp
#ifndef BERT_KERNELS_REFERENCE_ATTENTION_HPP
#define BERT_KERNELS_REFERENCE_ATTENTION_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/kernels/reference/dropout.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// Writes `context` [N, A D] and, unless nullptr, `log_sum` [A, N].
template <class T>
void attention(std::size_t head_dim, matrix<const T> qkv, std::span<const std::size_t> starts, matrix<T> context, T* log_sum,
               dropout drop) {
  const std::size_t hidden = context.cols, heads = hidden / head_dim;
  const T factor = T(1) / std::sqrt(static_cast<T>(head_dim));
  for (std::size_t s = 0; s + 1 < starts.size(); ++s)
    for (std::size_t h = 0; h < heads; ++h)
      for (std::size_t n = starts[s]; n < starts[s + 1]; ++n) {
        const std::size_t first = starts[s], length = starts[s + 1] - first;
        std::vector<T> p(length);
        for (std::size_t m = 0; m < length; ++m)
          for (std::size_t d = h * head_dim; d < (h + 1) * head_dim; ++d)
            p[m] += factor * qkv(n, d) * qkv(first + m, hidden + d);
        const T top = *std::max_element(p.begin(), p.end());
        T total = 0;
        for (const T x : p) total += std::exp(x - top);
        for (std::size_t d = h * head_dim; d < (h + 1) * head_dim; ++d) context(n, d) = 0;
        for (std::size_t m = 0; m < length; ++m)
          for (std::size_t d = h * head_dim; d < (h + 1) * head_dim; ++d)
            context(n, d) +=
                std::exp(p[m] - top) / total * dropout_factor<T>(drop, n * heads + h, m) * qkv(first + m, 2 * hidden + d);
        if (log_sum != nullptr) log_sum[h * context.rows + n] = top + std::log(total);
      }
}

/// Writes `d_qkv` [N, 3 A D].
template <class T>
void attention_backward(std::size_t head_dim, matrix<const T> qkv, std::span<const std::size_t> starts, const T* log_sum,
                        matrix<const T> d_context, matrix<T> d_qkv, dropout drop) {
  const std::size_t hidden = d_context.cols, heads = hidden / head_dim;
  const T factor = T(1) / std::sqrt(static_cast<T>(head_dim));
  for (std::size_t n = 0; n < d_qkv.rows; ++n) std::fill(d_qkv[n].begin(), d_qkv[n].end(), T(0));
  for (std::size_t s = 0; s + 1 < starts.size(); ++s)
    for (std::size_t h = 0; h < heads; ++h)
      for (std::size_t n = starts[s]; n < starts[s + 1]; ++n) {
        const std::size_t first = starts[s], length = starts[s + 1] - first;
        std::vector<T> p(length), d_p(length);
        T along = 0;
        for (std::size_t m = 0; m < length; ++m) {
          const T kept = dropout_factor<T>(drop, n * heads + h, m);
          for (std::size_t d = h * head_dim; d < (h + 1) * head_dim; ++d) {
            p[m] += factor * qkv(n, d) * qkv(first + m, hidden + d);
            d_p[m] += kept * d_context(n, d) * qkv(first + m, 2 * hidden + d);
          }
          p[m] = std::exp(p[m] - log_sum[h * d_context.rows + n]);
          along += p[m] * d_p[m];
          for (std::size_t d = h * head_dim; d < (h + 1) * head_dim; ++d)
            d_qkv(first + m, 2 * hidden + d) += p[m] * kept * d_context(n, d);
        }
        for (std::size_t m = 0; m < length; ++m)
          for (std::size_t d = h * head_dim; d < (h + 1) * head_dim; ++d) {
            const T d_score = p[m] * (d_p[m] - along) * factor;
            d_qkv(n, d) += d_score * qkv(first + m, hidden + d);
            d_qkv(first + m, hidden + d) += d_score * qkv(n, d);
          }
      }
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_ATTENTION_HPP
