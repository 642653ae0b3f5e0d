// Logits over the vocabulary by the token embeddings, in a training step: the last layer of masked-LM heads.
// Layer: heads. Test: tests/unit/heads/masked_lm_test.cpp, tests/unit/heads/span_boundary_test.cpp
//
//   logits = t E^T + b,  E the token embeddings [V, H]
#ifndef BERT_HEADS_TIED_DECODER_HPP
#define BERT_HEADS_TIED_DECODER_HPP

#include <algorithm>
#include <cstddef>

#include "bert/core/isa.hpp"
#include "bert/model/tape.hpp"

namespace bert::inline BERT_ISA::heads {

/// Goes over the vocabulary in chunks of pieces. Their packed embeddings, 2 MB, stay in the second-level caches, and their
/// logits in the third between the products that read them. The chunk depends on H alone, as it fixes the order of sums over
/// pieces.
template <class A>
struct tied_decoder {
  static constexpr std::size_t h = A::hidden;
  static constexpr std::size_t chunk = std::clamp<std::size_t>(524'288 / h / 64 * 64, 64, 2048);

  /// Floats of scratch for `rows` rows of a batch of shape `s`.
  [[nodiscard]] static constexpr std::size_t scratch(std::size_t rows, std::size_t vocab, const batch_shape& s) noexcept {
    return layers::linear_scratch(rows, h, std::min(chunk, vocab), s);
  }

  /// Writes `logits` [N, V] from `t` [N, H].
  template <executor E>
  static void forward(const E& e, matrix<const float> t, matrix<const float> word, const float* bias, matrix<float> logits,
                      float* packed) noexcept {
    for (std::size_t first = 0; first < logits.cols; first += chunk) {
      const std::size_t count = std::min(chunk, logits.cols - first);
      layers::linear_forward(e, t, word.block(first, count),
                             kernels::epilogue::bias{logits.columns(first, count), bias + first}, packed);
    }
  }
  /// Writes `d_t` [N, H]; adds to `d_word` [V, H] and `d_bias` [V], unless they are null.
  template <executor E>
  static void backward(const E& e, matrix<const float> t, matrix<const float> word, matrix<float> d_logits,
                       matrix<float> d_word, float* d_bias, matrix<float> d_t, float* packed,
                       const kernels::row_groups& groups) noexcept {
    for (std::size_t first = 0; first < d_logits.cols; first += chunk) {
      const std::size_t count = std::min(chunk, d_logits.cols - first);
      const kernels::epilogue::add sum{d_t, first == 0 ? kernels::gradients::written : kernels::gradients::added};
      const matrix<float> d_block = d_word.data == nullptr ? d_word : d_word.block(first, count);
      layers::linear_backward(e, t, word.block(first, count), d_logits.columns(first, count), d_block,
                              d_bias == nullptr ? nullptr : d_bias + first, sum, packed, kernels::gradients::added, groups);
    }
  }
};

}  // namespace bert::heads

#endif  // BERT_HEADS_TIED_DECODER_HPP
