// The pooler: the first token of each sequence through a dense layer and an activation.
// Layer: layers. Test: tests/unit/layers/pooler_test.cpp. Paper: Devlin et al. 2019.
//
//   pooled[s,:] = f(hidden[start_s,:] W^T + b),  f = tanh in BERT
#ifndef BERT_LAYERS_POOLER_HPP
#define BERT_LAYERS_POOLER_HPP

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>

#include "bert/core/isa.hpp"
#include "bert/kernels/rows/activation.hpp"
#include "bert/layers/forward.hpp"
#include "bert/layers/linear.hpp"
#include "bert/layers/module.hpp"
#include "bert/tensor/arena.hpp"

namespace bert::inline BERT_ISA::layers {

/// The pooler with a policy for its activation: a module (layers/module.hpp). It stays in f32.
template <class Activation>
struct pooler_of {
  enum tensor : std::size_t { weight, bias };

  template <class A>
  static constexpr auto parameters() {
    constexpr int h = A::hidden;
    return std::array<parameter, 2>{{
        {.stem = "bert.pooler.dense.weight", .rows = h, .cols = h},
        {.stem = "bert.pooler.dense.bias", .rows = h, .role = role::bias, .initial = initialization::zeros},
    }};
  }

  template <class A, class = precision::f32>
  struct packed {
    static constexpr std::size_t h = A::hidden;
    kernels::packed weight;
    const float* bias;

    static constexpr void carve(carver& c, const open_sizes&) noexcept {
      c.take(kernels::packed_size(h, h));
      c.take(h);
    }
    template <executor E>
    packed(const E& e, carver& c, const module_parameters<const float>& p, const open_sizes&) noexcept
        : weight(kernels::pack_transposed(e, p.weight(pooler_of::weight), c.take(kernels::packed_size(h, h)))),
          bias(packed_copy(c, p[pooler_of::bias], h)) {}
  };

  template <class A, class = precision::f32>
  class workspace {
   public:
    constexpr workspace(carver& c, const batch_shape& s, const open_sizes&) noexcept
        : first_(c.take(s.sequences * A::hidden)), pooled_(c.take(s.sequences * A::hidden)) {}

    /// The output [S, H] for `s` sequences.
    [[nodiscard]] matrix<float> output(std::size_t s) const noexcept { return {pooled_, s, A::hidden}; }

    /// Computes the output from `hidden` [N, H].
    template <executor E, class Packed>
    void run(const E& e, const Packed& p, std::span<const std::size_t> starts, matrix<const float> hidden) const noexcept {
      const std::size_t s = starts.size() - 1;
      const matrix<float> first = gather_first(starts, hidden);
      kernels::gemm(e, first, p.weight, kernels::epilogue::bias{output(s), p.bias});
      kernels::activate<Activation>(e, output(s), output(s));
    }

   protected:
    /// The first row of each sequence, copied [S, H].
    matrix<float> gather_first(std::span<const std::size_t> starts, matrix<const float> hidden) const noexcept {
      const matrix<float> first{first_, starts.size() - 1, A::hidden};
      for (std::size_t s = 0; s < first.rows; ++s) std::copy_n(hidden.row(starts[s]), hidden.cols, first.row(s));
      return first;
    }

    float *first_, *pooled_;
  };

  template <class A>
  class tape : public workspace<A> {
   public:
    constexpr tape(carver& c, const batch_shape& s, const open_sizes& sizes) noexcept
        : workspace<A>(c, s, sizes),
          sums_(c.take(from_output ? 0 : s.sequences * A::hidden)),
          packed_(c.take(linear_scratch(s.sequences, A::hidden, A::hidden, s))) {}

    template <executor E>
    void forward(const E& e, const module_parameters<const float>& p, std::span<const std::size_t> starts,
                 matrix<const float> hidden) const noexcept {
      const matrix<float> first = this->gather_first(starts, hidden), pooled = this->output(first.rows);
      const matrix<float> sums = from_output ? pooled : matrix<float>{sums_, first.rows, A::hidden};
      linear_forward(e, first, p.weight(weight), kernels::epilogue::bias{sums, p[bias]}, packed_);
      kernels::activate<Activation>(e, sums, pooled);
    }

    /// Adds to the gradients in `g` and to each sequence's first row of `d_hidden`; overwrites `d_pooled` [S, H] and the copied
    /// rows.
    template <executor E>
    void backward(const E& e, const module_parameters<const float>& p, const module_parameters<float>& g,
                  std::span<const std::size_t> starts, matrix<float> d_pooled, matrix<float> d_hidden,
                  const kernels::row_groups& groups = {}) const noexcept {
      const std::size_t s = starts.size() - 1;
      const matrix<float> first{this->first_, s, A::hidden};
      if constexpr (from_output) kernels::tanh_backward(e, matrix<const float>{this->pooled_, s, A::hidden}, d_pooled);
      else kernels::activate_backward<Activation>(e, matrix<const float>{sums_, s, A::hidden}, d_pooled);
      linear_backward(e, first, p.weight(weight), d_pooled, g.weight(weight), g[bias], kernels::epilogue::store{first}, packed_,
                      kernels::gradients::added, groups);
      for (std::size_t i = 0; i < s; ++i)
        for (std::size_t j = 0; j < d_hidden.cols; ++j) d_hidden(starts[i], j) += first(i, j);
    }

   private:
    /// Whether the derivative is a function of the output, so that what goes into the activation need not be kept.
    static constexpr bool from_output = std::same_as<Activation, kernels::tanh_activation>;

    float *sums_, *packed_;
  };
};

/// The pooler of BertModel.
struct pooler : pooler_of<kernels::tanh_activation> {};

/// pre_classifier and ReLU of DistilBERT, which only its classifiers of texts have.
struct distilbert_pooler : pooler_of<kernels::relu> {
  static constexpr std::string_view model_type = "distilbert";
};

/// The dense layer and GELU of ELECTRA's classifier of texts. The dropout that it has before them in training is left out.
struct electra_pooler : pooler_of<kernels::gelu_erf> {
  static constexpr std::string_view model_type = "electra";
};

}  // namespace bert::layers

#endif  // BERT_LAYERS_POOLER_HPP
