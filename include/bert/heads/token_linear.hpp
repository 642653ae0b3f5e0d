// A dense layer on every token's hidden state: the base of tagging and of other heads with one output row per token.
// Layer: heads. Test: tests/unit/heads/token_linear_test.cpp. Paper: Devlin et al. 2019, 5.3.
//
//   logits[n,:] = drop(hidden[n,:]) W^T + b
#ifndef BERT_HEADS_TOKEN_LINEAR_HPP
#define BERT_HEADS_TOKEN_LINEAR_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "bert/core/fixed_string.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/model/tape.hpp"

namespace bert::inline BERT_ISA::heads {

/// `Outputs` values per token, or `label_rows` if the labels are known at run time only. Its tensors are named `Weight` and
/// `Bias`; `Dropout` says whether a training step's hidden dropout is applied to the hidden states.
///
///     struct token_score : bert::heads::token_linear<"score.weight", "score.bias", 1> {};   // y[n] = hidden[n,:] w + b
template <fixed_string Weight, fixed_string Bias, int Outputs, bool Dropout = true>
struct token_linear {
  static constexpr bool reads_pooler = false;
  static constexpr int outputs = Outputs;
  /// The dropout site.
  static constexpr std::uint64_t site = key_of(Weight.view());

  template <class A>
  static constexpr auto parameters() {
    return std::array<parameter, 2>{{
        {.stem = Weight.view(), .rows = Outputs, .cols = A::hidden},
        {.stem = Bias.view(), .rows = Outputs, .role = role::bias, .initial = initialization::zeros},
    }};
  }

  [[nodiscard]] static constexpr std::size_t count(const open_sizes& sizes) noexcept {
    return static_cast<std::size_t>(Outputs == label_rows ? sizes.labels : Outputs);
  }

  template <class A>
  class packed {
   public:
    static constexpr void carve(carver& c, const open_sizes& sizes) noexcept {
      c.take(kernels::packed_size(A::hidden, count(sizes)));
      c.take(count(sizes));
    }
    template <executor E>
    packed(const E& e, carver& c, const module_parameters<const float>& p, const open_sizes& sizes) noexcept
        : weight(kernels::pack_transposed(e, p.weight(0), c.take(kernels::packed_size(A::hidden, count(sizes))))),
          bias(std::copy_n(p[1], count(sizes), c.take(count(sizes))) - count(sizes)) {}

    kernels::packed weight;
    const float* bias;
  };

  /// Buffers of a session; `output()` is [tokens, outputs].
  template <class A>
  class workspace {
   public:
    constexpr workspace(carver& c, const batch_shape& s, const open_sizes& sizes) noexcept
        : outputs_(count(sizes)), logits_(c.take(s.tokens * outputs_)) {}

    template <executor E>
    void run(const E& e, const packed<A>& p, const encoded& in) noexcept {
      rows_ = in.hidden.rows;
      kernels::gemm(e, in.hidden, p.weight, kernels::epilogue::bias{matrix<float>{logits_, rows_, outputs_}, p.bias});
    }
    [[nodiscard]] auto output() const noexcept {
      if constexpr (Outputs == label_rows) return view<const float, dynamic, dynamic>(logits_, rows_, outputs_);
      else return view<const float, dynamic, Outputs>(logits_, rows_);
    }

   private:
    std::size_t outputs_, rows_ = 0;
    float* logits_;
  };

  /// Buffers of a training step. The objective overwrites `logits()` by its gradient before `backward`.
  template <class A>
  class tape {
   public:
    static constexpr std::size_t h = A::hidden;

    constexpr tape(carver& c, const batch_shape& s, const open_sizes& sizes) noexcept
        : outputs_(count(sizes)),
          hidden_(c.take(Dropout ? s.tokens * h : 0)),
          d_(c.take(Dropout ? s.tokens * h : 0)),
          logits_(c.take(s.tokens * outputs_)),
          packed_(c.take(layers::linear_scratch(s.tokens, h, outputs_, s))) {}

    [[nodiscard]] matrix<float> logits() const noexcept { return {logits_, rows_, outputs_}; }

    template <executor E>
    void forward(const E& e, const module_parameters<const float>& p, const encoded& in, const step_noise& noise) noexcept {
      rows_ = in.hidden.rows;
      if constexpr (Dropout) {
        std::copy_n(in.hidden.data, rows_ * h, hidden_);
        kernels::apply_dropout(e, drop(noise), matrix<float>{hidden_, rows_, h});
      }
      layers::linear_forward(e, input(in), p.weight(0), kernels::epilogue::bias{logits(), p[1]}, packed_);
    }

    template <executor E>
    void backward(const E& e, const module_parameters<const float>& p, const module_parameters<float>& g, const encoded& in,
                  matrix<float> d_hidden, matrix<float>, const step_noise& noise) noexcept {
      if constexpr (Dropout) {
        const matrix<float> d{d_, rows_, h};
        layers::linear_backward(e, input(in), p.weight(0), logits(), g.weight(0), g[1], kernels::epilogue::store{d}, packed_,
                                kernels::gradients::added, in.groups.tokens);
        kernels::apply_dropout(e, drop(noise), d);
        kernels::add_in_place(e, d, d_hidden);
      } else {
        layers::linear_backward(e, input(in), p.weight(0), logits(), g.weight(0), g[1],
                                kernels::epilogue::add{d_hidden, kernels::gradients::added}, packed_, kernels::gradients::added,
                                in.groups.tokens);
      }
    }

   private:
    [[nodiscard]] matrix<const float> input(const encoded& in) const noexcept {
      if constexpr (Dropout) return {hidden_, rows_, h};
      else return in.hidden;
    }
    static constexpr kernels::dropout drop(const step_noise& noise) noexcept { return noise.hidden_at(site); }

    std::size_t outputs_, rows_ = 0;
    float *hidden_, *d_, *logits_, *packed_;
  };
};

}  // namespace bert::heads

#endif  // BERT_HEADS_TOKEN_LINEAR_HPP
