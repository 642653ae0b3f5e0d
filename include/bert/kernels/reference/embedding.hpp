// The input embeddings as plain loops.
// Layer: kernels. Test: tests/unit/kernels/rows/embedding_test.cpp
#ifndef BERT_KERNELS_REFERENCE_EMBEDDING_HPP
#define BERT_KERNELS_REFERENCE_EMBEDDING_HPP

#include <cstddef>
#include <span>

#include "bert/core/isa.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels::reference {

/// y[n,:] = word[ids[n],:] + position[n - start,:] + segment[segments[n],:]
template <class T>
void embed(std::span<const token_id> ids, std::span<const segment_id> segments, std::span<const std::size_t> starts,
           matrix<const T> word, matrix<const T> position, matrix<const T> segment, matrix<T> y) {
  for (std::size_t s = 0; s + 1 < starts.size(); ++s)
    for (std::size_t n = starts[s]; n < starts[s + 1]; ++n)
      for (std::size_t h = 0; h < y.cols; ++h)
        y(n, h) = word(static_cast<std::size_t>(ids[n]), h) + position(n - starts[s], h) + segment(segments[n], h);
}

/// Adds to the three gradients.
template <class T>
void embed_backward(std::span<const token_id> ids, std::span<const segment_id> segments, std::span<const std::size_t> starts,
                    matrix<const T> d_y, matrix<T> d_word, matrix<T> d_position, matrix<T> d_segment) {
  for (std::size_t s = 0; s + 1 < starts.size(); ++s)
    for (std::size_t n = starts[s]; n < starts[s + 1]; ++n)
      for (std::size_t h = 0; h < d_y.cols; ++h) {
        d_word(static_cast<std::size_t>(ids[n]), h) += d_y(n, h);
        d_position(n - starts[s], h) += d_y(n, h);
        d_segment(segments[n], h) += d_y(n, h);
      }
}

}  // namespace bert::kernels::reference

#endif  // BERT_KERNELS_REFERENCE_EMBEDDING_HPP
