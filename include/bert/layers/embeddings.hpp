// Token + position + segment embeddings, normalized.
// Layer: layers. Test: tests/unit/layers/embeddings_test.cpp. Paper: Devlin et al. 2019.
//
//   y[n,:] = drop(norm(word[id_n,:] + position[p_n,:] + segment[s_n,:])),  p counted from each sequence's start
#ifndef BERT_LAYERS_EMBEDDINGS_HPP
#define BERT_LAYERS_EMBEDDINGS_HPP

#include <array>
#include <cstddef>
#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/kernels/rows/dropout.hpp"
#include "bert/kernels/rows/elementwise.hpp"
#include "bert/kernels/rows/embedding.hpp"
#include "bert/kernels/rows/layer_norm.hpp"
#include "bert/layers/forward.hpp"
#include "bert/layers/module.hpp"
#include "bert/layers/precision.hpp"
#include "bert/layers/step_noise.hpp"
#include "bert/tensor/arena.hpp"
#include "bert/tensor/token_batch.hpp"

namespace bert::inline BERT_ISA::layers {

/// Embeddings with or without those of segments: a module (layers/module.hpp).
template <bool Segments>
struct token_embeddings {
  /// `segment` only with segments.
  enum tensor : std::size_t { word, position, segment, norm_gain = Segments ? 3 : 2, norm_bias };

  /// The dropout site of the embeddings; layer l has 3 l + {0, 1, 2}.
  static constexpr std::uint64_t site = 1u << 20;

  template <class A>
  static constexpr auto parameters() {
    constexpr int h = A::hidden;
    constexpr parameter of_word{
        .stem = "bert.embeddings.word_embeddings.weight", .rows = vocabulary_rows, .cols = h, .role = role::embedding},
        of_position{
            .stem = "bert.embeddings.position_embeddings.weight", .rows = A::positions, .cols = h, .role = role::embedding},
        of_segment{
            .stem = "bert.embeddings.token_type_embeddings.weight", .rows = A::segments, .cols = h, .role = role::embedding},
        gain{.stem = "bert.embeddings.LayerNorm.weight", .rows = h, .role = role::norm, .initial = initialization::ones},
        bias{.stem = "bert.embeddings.LayerNorm.bias", .rows = h, .role = role::norm, .initial = initialization::zeros};
    if constexpr (Segments) return std::array<parameter, 5>{{of_word, of_position, of_segment, gain, bias}};
    else return std::array<parameter, 4>{{of_word, of_position, gain, bias}};
  }

  /// The tables in precision P, and the norm's vectors.
  template <class A, class P = precision::f32>
  struct packed {
    static constexpr std::size_t h = A::hidden;
    using table = typename P::table;
    matrix<const table> word, position, segment;
    const float *norm_gain, *norm_bias;

    static constexpr void carve(carver& c, const open_sizes& sizes) noexcept {
      for (const std::size_t rows :
           {static_cast<std::size_t>(sizes.vocab), std::size_t{A::positions}, std::size_t{Segments ? A::segments : 0}})
        c.take<table>(rows * h);
      c.take(h), c.take(h);
    }
    template <executor E>
    packed(const E& e, carver& c, const module_parameters<const float>& p, const open_sizes&) noexcept
        : word(copy(e, c, p.weight(token_embeddings::word))),
          position(copy(e, c, p.weight(token_embeddings::position))),
          segment(Segments ? copy(e, c, p.weight(token_embeddings::segment)) : matrix<const table>{}),
          norm_gain(packed_copy(c, p[token_embeddings::norm_gain], h)),
          norm_bias(packed_copy(c, p[token_embeddings::norm_bias], h)) {}

   private:
    template <executor E>
    static matrix<const table> copy(const E& e, carver& c, matrix<const float> from) noexcept {
      const matrix<table> to{c.take<table>(from.rows * h), from.rows, h};
      kernels::convert(e, from, to);
      return to;
    }
  };

  template <class A, class P = precision::f32>
  struct workspace {
    constexpr workspace(carver&, const batch_shape&, const open_sizes&) noexcept {}

    /// Writes `y` [N, H] and passes each of its rows to `then`, as `layer_norm` does.
    template <executor E, class Then = kernels::leave_row>
    void run(const E& e, const packed<A, P>& p, const token_run& b, matrix<float> y, const Then& then = {}) const noexcept {
      kernels::embed(e, b.ids, b.segments, b.starts, p.word, p.position, p.segment, y);
      kernels::layer_norm(e, y, p.norm_gain, p.norm_bias, A::norm_epsilon, y, nullptr, nullptr, then);
    }
  };

  template <class A>
  class tape {
   public:
    constexpr tape(carver& c, const batch_shape& s, const open_sizes&) noexcept
        : sum_(c.take(s.tokens * A::hidden)),
          mean_(c.take(s.tokens)),
          rstd_(c.take(s.tokens)),
          y_(c.take(s.tokens * A::hidden)) {}

    /// The output [N, H] for `n` tokens.
    [[nodiscard]] matrix<float> output(std::size_t n) const noexcept { return {y_, n, A::hidden}; }

    template <executor E>
    void forward(const E& e, const module_parameters<const float>& p, const token_run& b,
                 const step_noise& noise) const noexcept {
      const std::size_t n = b.ids.size();
      const matrix<float> sum{sum_, n, A::hidden};
      kernels::embed(e, b.ids, b.segments, b.starts, p.weight(word), p.weight(position), segments(p), sum);
      kernels::layer_norm(e, sum, p[norm_gain], p[norm_bias], A::norm_epsilon, output(n), mean_, rstd_);
      kernels::apply_dropout(e, noise.hidden_at(site), output(n));
    }

    /// Adds to the gradients in `g`; overwrites `d` = d_y [N, H].
    template <executor E>
    void backward(const E& e, const module_parameters<const float>& p, const module_parameters<float>& g, const token_run& b,
                  matrix<float> d, const step_noise& noise, const kernels::row_groups& groups = {}) const noexcept {
      const matrix<const float> sum{sum_, b.ids.size(), A::hidden};
      kernels::apply_dropout(e, noise.hidden_at(site), d);
      kernels::layer_norm_backward(e, sum, p[norm_gain], mean_, rstd_, d, d, g[norm_gain], g[norm_bias], groups);
      kernels::embed_backward(e, b.ids, b.segments, b.starts, d, g.weight(word), g.weight(position), segments(g), groups);
    }

   private:
    template <class T>
    [[nodiscard]] static matrix<T> segments(const module_parameters<T>& p) noexcept {
      if constexpr (Segments) return p.weight(segment);
      else return {};
    }

    float *sum_, *mean_, *rstd_, *y_;
  };
};

/// The embeddings of BERT.
struct embeddings : token_embeddings<true> {};

/// The embeddings of DistilBERT: tokens may have segments, which change nothing.
struct embeddings_without_segments : token_embeddings<false> {};

}  // namespace bert::layers

#endif  // BERT_LAYERS_EMBEDDINGS_HPP
