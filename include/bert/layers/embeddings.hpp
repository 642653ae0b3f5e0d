// Token + position + segment embeddings, normalised.
// Layer: layers. Test: tests/unit/layers/embeddings_test.cpp. Paper: Devlin et al. 2019.
//
//   y[n,:] = drop(norm(word[id_n,:] + position[p_n,:] + segment[s_n,:])),  p counted from each sequence's start
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "bert/core/isa.hpp"
#include "bert/kernels/rows/elementwise.hpp"
#include "bert/kernels/rows/embedding.hpp"
#include "bert/kernels/rows/layer_norm.hpp"
#include "bert/layers/encoder_layer.hpp"
#include "bert/layers/precision.hpp"
#include "bert/tensor/arena.hpp"
#include "bert/tensor/token_batch.hpp"

namespace bert::inline BERT_ISA::layers {

template <class A, class T>
struct embedding_parameters {
  matrix<T> word, position, segment;
  T *norm_gain, *norm_bias;
};

/// The tables kept for inference as precision P keeps them, and the norm's vectors.
template <class A, class P = precision::f32>
struct packed_embeddings {
  static constexpr std::size_t h = A::hidden;
  using table = typename P::table;
  matrix<const table> word, position, segment;
  const float *norm_gain, *norm_bias;

  static constexpr void carve(carver& c, std::size_t vocab) noexcept {
    for (const std::size_t rows : {vocab, std::size_t{A::positions}, std::size_t{A::segments}}) c.take<table>(rows * h);
    c.take(h), c.take(h);
  }
  template <executor E>
  packed_embeddings(const E& e, carver& c, const embedding_parameters<A, const float>& p) noexcept
      : word(copy(e, c, p.word)),
        position(copy(e, c, p.position)),
        segment(copy(e, c, p.segment)),
        norm_gain(std::copy_n(p.norm_gain, h, c.take(h)) - h),
        norm_bias(std::copy_n(p.norm_bias, h, c.take(h)) - h) {}

 private:
  template <executor E>
  static matrix<const table> copy(const E& e, carver& c, matrix<const float> from) noexcept {
    const matrix<table> to{c.take<table>(from.rows * h), from.rows, h};
    kernels::convert(e, from, to);
    return to;
  }
};

template <class A>
struct embedding_tape {
  float *sum, *mean, *rstd, *y;
  constexpr embedding_tape(carver& c, std::size_t n) noexcept
      : sum(c.take(n * A::hidden)), mean(c.take(n)), rstd(c.take(n)), y(c.take(n * A::hidden)) {}
};

/// Writes `y` [N, H] and passes each of its rows to `then`, as `layer_norm` does.
template <class A, class P, executor E, class Then = kernels::leave_row>
void embeddings_forward(const E& e, const packed_embeddings<A, P>& p, const token_run& b, matrix<float> y,
                        const Then& then = {}) noexcept {
  kernels::embed(e, b.ids, b.segments, b.starts, p.word, p.position, p.segment, y);
  kernels::layer_norm(e, y, p.norm_gain, p.norm_bias, A::norm_epsilon, y, nullptr, nullptr, then);
}

/// Dropout's site number for the embeddings; layers use 3 l + {0, 1, 2}.
inline constexpr std::uint64_t embedding_site = 1u << 20;

/// The same, kept on the tape.
template <class A, executor E>
void embeddings_forward(const E& e, const embedding_parameters<A, const float>& p, const token_batch& b,
                        const embedding_tape<A>& t, const step_noise& noise) noexcept {
  const matrix<float> sum{t.sum, b.tokens(), A::hidden}, y{t.y, b.tokens(), A::hidden};
  kernels::embed(e, b.ids(), b.segments(), b.starts(), p.word, p.position, p.segment, sum);
  kernels::layer_norm(e, sum, p.norm_gain, p.norm_bias, A::norm_epsilon, y, t.mean, t.rstd);
  kernels::apply_dropout(e, noise.hidden_at(embedding_site), y);
}

/// Adds to the tables' gradients in `g`; overwrites `d` = d_y [N, H].
template <class A, executor E>
void embeddings_backward(const E& e, const embedding_parameters<A, const float>& p, const embedding_parameters<A, float>& g,
                         const token_batch& b, const embedding_tape<A>& t, matrix<float> d, const step_noise& noise) noexcept {
  const matrix<const float> sum{t.sum, b.tokens(), A::hidden};
  kernels::apply_dropout(e, noise.hidden_at(embedding_site), d);
  kernels::layer_norm_backward(e, sum, p.norm_gain, t.mean, t.rstd, d, d, g.norm_gain, g.norm_bias);
  kernels::embed_backward(e, b.ids(), b.segments(), b.starts(), d, g.word, g.position, g.segment);
}

}  // namespace bert::layers
