// ELECTRA's discriminator head: one logit a token, whether it was replaced.
// Layer: heads. Test: tests/unit/heads/replaced_test.cpp. Paper: Clark et al. 2020, "ELECTRA".
//
//   logits[n] = w . activation(hidden[n,:] W^T + b) + c
#ifndef BERT_HEADS_REPLACED_HPP
#define BERT_HEADS_REPLACED_HPP

#include <algorithm>
#include <array>
#include <cstddef>

#include "bert/core/isa.hpp"
#include "bert/model/tape.hpp"

namespace bert::inline BERT_ISA::heads {

/// The head of transformers' ElectraForPreTraining, by its tensor names. `activation` is the architecture's. A logit above 0
/// says that the token is not the original one.
struct replaced {
  static constexpr bool reads_pooler = false;

  enum tensor : std::size_t { dense_weight, dense_bias, weight, bias };

  template <class A>
  static constexpr auto parameters() {
    constexpr int h = A::hidden;
    constexpr auto zeros = initialization::zeros;
    return std::array<parameter, 4>{{
        {.stem = "discriminator_predictions.dense.weight", .rows = h, .cols = h},
        {.stem = "discriminator_predictions.dense.bias", .rows = h, .role = role::bias, .initial = zeros},
        {.stem = "discriminator_predictions.dense_prediction.weight", .rows = 1, .cols = h},
        {.stem = "discriminator_predictions.dense_prediction.bias", .rows = 1, .role = role::bias, .initial = zeros},
    }};
  }

  template <class A>
  class packed {
   public:
    static constexpr std::size_t h = A::hidden;

    static constexpr void carve(carver& c, const open_sizes&) noexcept {
      c.take(kernels::packed_size(h, h));
      c.take(kernels::packed_size(h, 1));
      c.take(h);
      c.take(1);
    }
    template <executor E>
    packed(const E& e, carver& c, const module_parameters<const float>& p, const open_sizes&) noexcept
        : dense(kernels::pack_transposed(e, p.weight(tensor::dense_weight), c.take(kernels::packed_size(h, h)))),
          last(kernels::pack_transposed(e, p.weight(tensor::weight), c.take(kernels::packed_size(h, 1)))),
          dense_bias(layers::packed_copy(c, p[tensor::dense_bias], h)),
          bias(layers::packed_copy(c, p[tensor::bias], 1)) {}

    kernels::packed dense, last;
    const float *dense_bias, *bias;
  };

  /// Buffers of a session; `output()` is [tokens, 1].
  template <class A>
  class workspace {
   public:
    static constexpr std::size_t h = A::hidden;

    constexpr workspace(carver& c, const batch_shape& s, const open_sizes&) noexcept
        : dense_(c.take(s.tokens * h)), logits_(c.take(s.tokens)) {}

    template <executor E>
    void run(const E& e, const packed<A>& p, const encoded& in) noexcept {
      rows_ = in.hidden.rows;
      const matrix<float> dense{dense_, rows_, h};
      kernels::gemm(e, in.hidden, p.dense,
                    kernels::epilogue::bias_activation<layers::activation_of<A>>{dense, p.dense_bias, {}});
      kernels::gemm(e, dense, p.last, kernels::epilogue::bias{matrix<float>{logits_, rows_, 1}, p.bias});
    }
    [[nodiscard]] auto output() const noexcept { return view<const float, dynamic, 1>(logits_, rows_); }

   private:
    std::size_t rows_ = 0;
    float *dense_, *logits_;
  };

  /// Buffers of a training step. The objective overwrites `logits()` [N, 1] by its gradient before `backward`.
  template <class A>
  class tape {
   public:
    static constexpr std::size_t h = A::hidden;

    constexpr tape(carver& c, const batch_shape& s, const open_sizes&) noexcept
        : before_(c.take(s.tokens * h)),
          dense_(c.take(s.tokens * h)),
          logits_(c.take(s.tokens)),
          scratch_(c.take(std::max(layers::linear_scratch(s.tokens, h, h, s), layers::linear_scratch(s.tokens, h, 1, s)))) {}

    [[nodiscard]] matrix<float> logits() const noexcept { return {logits_, rows_, 1}; }

    template <executor E>
    void forward(const E& e, const module_parameters<const float>& p, const encoded& in, const step_noise&) noexcept {
      rows_ = in.hidden.rows;
      const matrix<float> before{before_, rows_, h}, dense{dense_, rows_, h};
      layers::linear_forward(e, in.hidden, p.weight(tensor::dense_weight),
                             kernels::epilogue::bias_activation<layers::activation_of<A>>{dense, p[tensor::dense_bias], before},
                             scratch_);
      layers::linear_forward(e, dense, p.weight(tensor::weight), kernels::epilogue::bias{logits(), p[tensor::bias]}, scratch_);
    }

    template <executor E>
    void backward(const E& e, const module_parameters<const float>& p, const module_parameters<float>& g, const encoded& in,
                  matrix<float> d_hidden, matrix<float>, const step_noise&) noexcept {
      const matrix<float> before{before_, rows_, h}, dense{dense_, rows_, h};
      layers::linear_backward(e, dense, p.weight(tensor::weight), logits(), g.weight(tensor::weight), g[tensor::bias],
                              kernels::epilogue::store{dense}, scratch_, kernels::gradients::added, in.groups.tokens);
      kernels::activate_backward<layers::activation_of<A>>(e, before, dense);
      layers::linear_backward(e, in.hidden, p.weight(tensor::dense_weight), dense, g.weight(tensor::dense_weight),
                              g[tensor::dense_bias], kernels::epilogue::add{d_hidden, kernels::gradients::added}, scratch_,
                              kernels::gradients::added, in.groups.tokens);
    }

   private:
    std::size_t rows_ = 0;
    float *before_, *dense_, *logits_, *scratch_;
  };
};

}  // namespace bert::heads

#endif  // BERT_HEADS_REPLACED_HPP
