// The masked-LM head: logits over the vocabulary at the scored positions only.
// Layer: heads. Test: tests/unit/heads/masked_lm_test.cpp. Paper: Devlin et al. 2019, 3.1.
//
//   t = norm(activation(hidden[scored,:] Wt^T + bt));  logits = t E^T + b,  E the token embeddings
#ifndef BERT_HEADS_MASKED_LM_HPP
#define BERT_HEADS_MASKED_LM_HPP

#include <algorithm>
#include <array>
#include <cstddef>

#include "bert/core/isa.hpp"
#include "bert/heads/tied_decoder.hpp"
#include "bert/model/tape.hpp"

namespace bert::inline BERT_ISA::heads {

struct masked_lm {
  static constexpr bool reads_pooler = false;
  static constexpr bool reads_scored = true;
  static constexpr bool reads_all_rows = false;

  enum tensor : std::size_t { bias, dense_weight, dense_bias, norm_gain, norm_bias };

  template <class A>
  static constexpr auto parameters() {
    constexpr int h = A::hidden;
    return std::array<parameter, 5>{{
        {.stem = "cls.predictions.bias", .rows = vocabulary_rows, .role = role::bias, .initial = initialization::zeros},
        {.stem = "cls.predictions.transform.dense.weight", .rows = h, .cols = h},
        {.stem = "cls.predictions.transform.dense.bias", .rows = h, .role = role::bias, .initial = initialization::zeros},
        {.stem = "cls.predictions.transform.LayerNorm.weight", .rows = h, .role = role::norm, .initial = initialization::ones},
        {.stem = "cls.predictions.transform.LayerNorm.bias", .rows = h, .role = role::norm, .initial = initialization::zeros},
    }};
  }

  template <class A, class P = precision::f32>
  class packed {
   public:
    static constexpr std::size_t h = A::hidden;

    static constexpr void carve(carver& c, const open_sizes& sizes) noexcept {
      c.take(P::weight_size(h, h));
      c.take(P::weight_size(h, static_cast<std::size_t>(sizes.vocab)));
      for (const std::size_t n : {h, h, h, static_cast<std::size_t>(sizes.vocab)}) c.take(n);
    }

    template <executor E>
    packed(const E& e, carver& c, const module_parameters<const float>& p, const open_sizes& sizes) noexcept
        : dense(P::pack(e, p.weight(tensor::dense_weight), c.take(P::weight_size(h, h)))),
          decoder(P::pack(e, p.word, c.take(P::weight_size(h, p.word.rows)))),
          dense_bias(layers::packed_copy(c, p[tensor::dense_bias], h)),
          norm_gain(layers::packed_copy(c, p[tensor::norm_gain], h)),
          norm_bias(layers::packed_copy(c, p[tensor::norm_bias], h)),
          bias(layers::packed_copy(c, p[tensor::bias], static_cast<std::size_t>(sizes.vocab))) {}

    typename P::weight dense, decoder;
    const float *dense_bias, *norm_gain, *norm_bias, *bias;
  };

  /// Buffers of a session; `output()` is [scored, V].
  template <class A, class P = precision::f32>
  class workspace {
   public:
    static constexpr std::size_t h = A::hidden;

    constexpr workspace(carver& c, const batch_shape& s, const open_sizes& sizes) noexcept
        : vocab_(static_cast<std::size_t>(sizes.vocab)),
          hidden_(c.take(s.scored * h)),
          dense_(c.take(s.scored * h)),
          operand_(c.take(P::template operand_size<float>(s.scored, h))),
          logits_(c.take(s.scored * vocab_)) {}

    template <executor E>
    void run(const E& e, const packed<A, P>& p, const encoded& in) noexcept {
      rows_ = in.batch.scored().size();
      const matrix<float> hidden{hidden_, rows_, h}, dense{dense_, rows_, h};
      kernels::gather_rows(e, in.hidden, in.batch.scored(), hidden);
      P::multiply(e, P::convert(e, matrix<const float>{hidden}, operand_), p.dense,
                  kernels::epilogue::bias_activation<layers::activation_of<A>>{dense, p.dense_bias, {}});
      const layers::stored_by<P> normed{P::reserve(dense, operand_)};
      kernels::layer_norm(e, dense, p.norm_gain, p.norm_bias, A::norm_epsilon, dense, nullptr, nullptr, normed);
      P::multiply(e, normed.operand, p.decoder, kernels::epilogue::bias{matrix<float>{logits_, rows_, vocab_}, p.bias});
    }
    [[nodiscard]] view<const float, dynamic, A::vocab> output() const noexcept {
      if constexpr (A::vocab == dynamic) return view<const float, dynamic, dynamic>(logits_, rows_, vocab_);
      else return view<const float, dynamic, A::vocab>(logits_, rows_);
    }

   private:
    std::size_t vocab_, rows_ = 0;
    float *hidden_, *dense_, *operand_, *logits_;
  };

  /// Buffers of a training step. The objective overwrites `logits()` [scored, V], of stride tape_stride(V), by its gradient
  /// before `backward`.
  template <class A>
  class tape {
   public:
    static constexpr std::size_t h = A::hidden;
    using decoder = tied_decoder<A>;

    constexpr tape(carver& c, const batch_shape& s, const open_sizes& sizes) noexcept
        : vocab_(static_cast<std::size_t>(sizes.vocab)),
          hidden_(c.take(s.scored * h)),
          before_(c.take(s.scored * h)),
          dense_(c.take(s.scored * h)),
          normed_(c.take(s.scored * h)),
          mean_(c.take(s.scored)),
          rstd_(c.take(s.scored)),
          d_(c.take(s.scored * h)),
          logits_(c.take(s.scored * layers::tape_stride(vocab_))),
          packed_(c.take(std::max(decoder::scratch(s.scored, vocab_, s), layers::linear_scratch(s.scored, h, h, s)))) {}

    [[nodiscard]] matrix<float> logits() const noexcept { return {logits_, rows_, vocab_, layers::tape_stride(vocab_)}; }

    template <executor E>
    void forward(const E& e, const module_parameters<const float>& p, const encoded& in, const step_noise&) noexcept {
      rows_ = in.batch.scored().size();
      if (rows_ == 0) return;
      const matrix<float> hidden{hidden_, rows_, h}, before{before_, rows_, h}, dense{dense_, rows_, h},
          normed{normed_, rows_, h};
      kernels::gather_rows(e, in.hidden, in.batch.scored(), hidden);
      layers::linear_forward(e, hidden, p.weight(tensor::dense_weight),
                             kernels::epilogue::bias_activation<layers::activation_of<A>>{dense, p[tensor::dense_bias], before},
                             packed_);
      kernels::layer_norm(e, dense, p[tensor::norm_gain], p[tensor::norm_bias], A::norm_epsilon, normed, mean_, rstd_);
      decoder::forward(e, normed, p.word, p[tensor::bias], logits(), packed_);
    }

    template <executor E>
    void backward(const E& e, const module_parameters<const float>& p, const module_parameters<float>& g, const encoded& in,
                  matrix<float> d_hidden, matrix<float>, const step_noise&) noexcept {
      if (rows_ == 0) return;
      const matrix<float> hidden{hidden_, rows_, h}, before{before_, rows_, h}, dense{dense_, rows_, h},
          normed{normed_, rows_, h}, d{d_, rows_, h};
      decoder::backward(e, normed, p.word, logits(), g.word, g[tensor::bias], d, packed_, in.groups.scored);
      kernels::layer_norm_backward(e, dense, p[tensor::norm_gain], mean_, rstd_, d, d, g[tensor::norm_gain],
                                   g[tensor::norm_bias], in.groups.scored);
      kernels::activate_backward<layers::activation_of<A>>(e, before, d);
      layers::linear_backward(e, hidden, p.weight(tensor::dense_weight), d, g.weight(tensor::dense_weight),
                              g[tensor::dense_bias], kernels::epilogue::store{normed}, packed_, kernels::gradients::added,
                              in.groups.scored);
      kernels::scatter_add_rows(e, normed, in.batch.scored(), d_hidden);
    }

   private:
    std::size_t vocab_, rows_ = 0;
    float *hidden_, *before_, *dense_, *normed_, *mean_, *rstd_, *d_, *logits_, *packed_;
  };
};

}  // namespace bert::heads

#endif  // BERT_HEADS_MASKED_LM_HPP
