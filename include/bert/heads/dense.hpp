// A dense layer behind the pooling of sentence vectors: whether a head has one, its size and its activation.
// Layer: heads. Test: tests/unit/heads/embedding_test.cpp. Paper: Feng et al. 2020, "Language-agnostic BERT sentence
// embedding".
#ifndef BERT_HEADS_DENSE_HPP
#define BERT_HEADS_DENSE_HPP

#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>

#include "bert/core/isa.hpp"
#include "bert/heads/without_tensors.hpp"
#include "bert/kernels/gemm/gemm.hpp"
#include "bert/kernels/rows/activation.hpp"
#include "bert/layers/linear.hpp"
#include "bert/model/tape.hpp"

namespace bert::inline BERT_ISA::heads {

/// The activation that leaves a dense layer linear.
struct identity {};

/// Tensor names of a sentence model's dense layer: the folder in which sentence-transformers keeps it, and the name there.
inline constexpr std::string_view sentence_dense_prefix = "2_Dense.", sentence_dense_weight = "2_Dense.linear.weight",
                                  sentence_dense_bias = "2_Dense.linear.bias";

/// No dense layer: the vector is as it was pooled.
struct no_dense : without_tensors {
  static constexpr int outputs = 0;

  template <class A>
  struct tape {
    constexpr tape(carver&, const batch_shape&) noexcept {}
  };
};

/// z[s,:] = f(W p[s,:] + b),  W [Outputs, H]: the Dense module of sentence-transformers, whose default is tanh.
///
/// `Activation` is kernels::tanh_activation, gelu_erf, relu or heads::identity; one of your own can be trained, but no folder
/// can name it.
template <int Outputs, class Activation = kernels::tanh_activation>
struct dense {
  static_assert(
      ensure<(Outputs > 0), facts<dense>>,
      "bert::heads::dense: the layer needs an output; give the number of dimensions first, heads::dense<256> for example");

  static constexpr int outputs = Outputs;
  using activation = Activation;
  static constexpr bool linear = std::same_as<Activation, identity>;
  static constexpr std::size_t d = Outputs;

  template <class A>
  static constexpr auto parameters() {
    return std::array<parameter, 2>{{
        {.stem = sentence_dense_weight, .rows = Outputs, .cols = A::hidden},
        {.stem = sentence_dense_bias, .rows = Outputs, .role = role::bias, .initial = initialization::zeros},
    }};
  }

  template <class A>
  struct packed {
    static constexpr void carve(carver& c, const open_sizes&) noexcept {
      c.take(kernels::packed_size(A::hidden, d));
      c.take(d);
    }
    template <executor E>
    packed(const E& e, carver& c, const module_parameters<const float>& p, const open_sizes&) noexcept
        : weight(kernels::pack_transposed(e, p.weight(0), c.take(kernels::packed_size(A::hidden, d)))),
          bias(layers::packed_copy(c, p[1], d)) {}

    kernels::packed weight;
    const float* bias;
  };

  /// Writes `z` [S, D] from `x` [S, H].
  template <class A, executor E>
  static void run(const E& e, const packed<A>& p, matrix<const float> x, matrix<float> z) noexcept {
    kernels::gemm(e, x, p.weight, kernels::epilogue::bias{z, p.bias});
    if constexpr (!linear) kernels::activate<Activation>(e, z, z);
  }

  /// Buffers of a training step.
  template <class A>
  class tape {
   public:
    static constexpr std::size_t h = A::hidden;

    constexpr tape(carver& c, const batch_shape& s) noexcept
        : sums_(c.take(linear ? 0 : s.sequences * d)),
          d_pooled_(c.take(s.sequences * h)),
          scratch_(c.take(layers::linear_scratch(s.sequences, h, d, s))) {}

    /// Writes `z` [S, D] from `x` [S, H].
    template <executor E>
    void forward(const E& e, const module_parameters<const float>& p, matrix<const float> x, matrix<float> z) const noexcept {
      const matrix<float> sums = linear ? z : matrix<float>{sums_, z.rows, d};
      layers::linear_forward(e, x, p.weight(0), kernels::epilogue::bias{sums, p[1]}, scratch_);
      if constexpr (!linear) kernels::activate<Activation>(e, sums, z);
    }
    /// Adds to the gradients in `g`; overwrites `d_z` [S, D]. Returns the gradient with respect to `x` [S, H].
    template <executor E>
    [[nodiscard]] matrix<float> backward(const E& e, const module_parameters<const float>& p, const module_parameters<float>& g,
                                         matrix<const float> x, matrix<float> d_z,
                                         const kernels::row_groups& groups) const noexcept {
      if constexpr (!linear) kernels::activate_backward<Activation>(e, matrix<const float>{sums_, d_z.rows, d}, d_z);
      const matrix<float> d_x{d_pooled_, x.rows, h};
      layers::linear_backward(e, x, p.weight(0), d_z, g.weight(0), g[1], kernels::epilogue::store{d_x}, scratch_,
                              kernels::gradients::added, groups);
      return d_x;
    }

   private:
    float *sums_, *d_pooled_, *scratch_;
  };
};

/// `no_dense` or a `dense`.
template <class D>
concept dense_policy = std::same_as<D, no_dense> || requires {
  typename D::activation;
  { D::outputs } -> std::convertible_to<int>;
};

}  // namespace bert::heads

#endif  // BERT_HEADS_DENSE_HPP
