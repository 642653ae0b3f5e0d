// The input embeddings: word + position + segment, gathered, and their gradients, scattered.
// Layer: kernels. Test: tests/unit/kernels/rows/embedding_test.cpp. Paper: Devlin et al. 2018, section 3.2.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/for_each.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// y[n,:] = word[ids[n],:] + position[n - start of n's sequence,:] + segment[segments[n],:]
///
/// Writes `y` [N, H]. `starts` has an entry for each sequence and a last one; rows are counted from the first. Ids, positions
/// and segments lie within their tables: whoever takes the batch in has checked. Tables are const floats or const bf16.
template <executor E, class T>
void embed(const E& e, std::span<const token_id> ids, std::span<const segment_id> segments, std::span<const std::size_t> starts,
           matrix<T> word, matrix<T> position, matrix<T> segment, matrix<float> y) noexcept {
  const std::size_t step = std::max<std::size_t>(1, floats_a_task / std::max<std::size_t>(1, y.cols));
  for_each_range(e, ids.size(), step, [&](std::size_t first, std::size_t last) {
    const std::size_t origin = starts.front();
    auto next = std::upper_bound(starts.begin(), starts.end(), origin + first);  // the start after `first`'s sequence
    for (std::size_t n = first; n < last; ++n) {
      while (*next <= origin + n) ++next;
      const T* of_word = word.row(static_cast<std::size_t>(ids[n]));
      const T* of_position = position.row(origin + n - *(next - 1));
      const T* of_segment = segment.row(segments[n]);
      float* out = y.row(n);
      for_each_register(y.cols, [&](std::size_t i, auto part) {
        store(out + i, load(of_word + i, part) + load(of_position + i, part) + load(of_segment + i, part), part);
      });
    }
  });
}

/// d_word[ids[n],:] += d_y[n,:], and so for position and segment
///
/// Adds to the three gradients in the order of tokens: the work is split by columns, never by tokens.
template <executor E>
void embed_backward(const E& e, std::span<const token_id> ids, std::span<const segment_id> segments,
                    std::span<const std::size_t> starts, matrix<const float> d_y, matrix<float> d_word,
                    matrix<float> d_position, matrix<float> d_segment) noexcept {
  for_each_column_range(e, d_y.cols, [&](std::size_t first, std::size_t last) {
    for (std::size_t s = 0; s + 1 < starts.size(); ++s)
      for (std::size_t n = starts[s]; n < starts[s + 1]; ++n) {
        const float* d = d_y.row(n) + first;
        float* to_word = d_word.row(static_cast<std::size_t>(ids[n])) + first;
        float* to_position = d_position.row(n - starts[s]) + first;
        float* to_segment = d_segment.row(segments[n]) + first;
        for_each_register(last - first, [&](std::size_t i, auto part) {
          const simd x = load(d + i, part);
          store(to_word + i, load(to_word + i, part) + x, part);
          store(to_position + i, load(to_position + i, part) + x, part);
          store(to_segment + i, load(to_segment + i, part) + x, part);
        });
      }
  });
}

}  // namespace bert::kernels
