// The contract of modules (embeddings, encoder layer, pooler, head) and the types that they exchange.
// Layer: layers. Test: tests/unit/model/tape_test.cpp
#ifndef BERT_LAYERS_MODULE_HPP
#define BERT_LAYERS_MODULE_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>

#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/epilogue.hpp"
#include "bert/kernels/rows/row_groups.hpp"
#include "bert/layers/forward.hpp"
#include "bert/layers/parameter.hpp"
#include "bert/tensor/arena.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/tensor/view.hpp"

// A module M of a model of architecture A is a type with
//
//     M::parameters<A>()       its tensors, a std::array<parameter, n>; an enum of M names their indices
//     M::packed<A, P>          its weights for inference in precision P. Static carve(carver&, open_sizes) takes what the
//                              constructor (executor, carver&, module_parameters<const float>, open_sizes) takes
//     M::workspace<A, P>       buffers of a session, (carver&, batch_shape, open_sizes); run(…) computes
//     M::tape<A>               buffers of a training step, (carver&, batch_shape, open_sizes); forward(…) keeps what
//                              backward(…) needs. backward *adds* to the gradients that are not nullptr
//
// Heads may omit P: they are then f32 in every precision. The four kinds of module differ in the arguments of run, forward and
// backward: see layers::embeddings, layers::post_norm, layers::pooler and heads::pooled_linear.

namespace bert::inline BERT_ISA {

/// The tensors of one module: its parameters (T = const float), or their gradients (T = float).
///
/// `p[i]` points at tensor i of the module's `parameters()`. The gradient of a parameter that is not trained is nullptr.
template <class T>
class module_parameters {
 public:
  /// Greatest number of tensors of a module.
  static constexpr std::size_t most = 32;

  module_parameters(std::span<const parameter> tensors, matrix<T> word_embeddings) noexcept
      : word(word_embeddings), tensors_(tensors) {}

  /// The token embeddings [V, H], with which a head may share weights.
  matrix<T> word;
  /// The names of the model's labels where its type leaves them open, in training; else empty.
  std::span<const std::string> labels = {};

  [[nodiscard]] T* operator[](std::size_t i) const noexcept { return data_[i]; }
  [[nodiscard]] matrix<T> weight(std::size_t i) const noexcept { return joined(i, 1); }
  /// Tensors i to i + count - 1, of equal columns and contiguous in memory, as one matrix.
  [[nodiscard]] matrix<T> joined(std::size_t i, std::size_t count) const noexcept {
    std::size_t rows = 0;
    for (std::size_t j = i; j < i + count; ++j) rows += static_cast<std::size_t>(tensors_[j].rows);
    return {data_[i], rows, static_cast<std::size_t>(tensors_[i].cols)};
  }
  void set(std::size_t i, T* to) noexcept { data_[i] = to; }
  [[nodiscard]] std::span<const parameter> tensors() const noexcept { return tensors_; }

 private:
  std::span<const parameter> tensors_;
  std::array<T*, most> data_{};
};

/// The groups of a batch's rows over which a step's gradients are summed in a fixed tree; none by default.
struct batch_groups {
  kernels::row_groups sequences = {}, tokens = {}, scored = {};
  kernels::row_groups chosen = {};  ///< of the rows that the last layer computes, if not all
};

/// The input of a head: the batch, the last layer's output [N, H] and, if a head reads it, the pooler's [S, H].
struct encoded {
  const token_batch& batch;
  matrix<const float> hidden;
  matrix<const float> pooled;
  batch_groups groups = {};  ///< for the backward pass: the order of sums over tokens, sequences or scored positions
};

namespace layers {

/// Options of a layer's backward pass.
struct backward_pass {
  /// Whether the gradients of weights (role::weight) are written or added. All others are always added.
  kernels::gradients how = kernels::gradients::added;
  /// Whether to compute the gradient with respect to the layer's input. False in the lowest trained module.
  bool input = true;
  /// A gradient with respect to the layer's projections (`tape::projections`) that an objective adds, of their shape, or empty.
  matrix<const float> d_projections = {};
  batch_groups groups = {};
};

namespace detail {
template <class Layer>
struct activation_of_layer {
  using type = kernels::gelu_erf;
};
template <class Layer>
requires requires { typename Layer::activation; }
struct activation_of_layer<Layer> {
  using type = typename Layer::activation;
};
}  // namespace detail

/// The feed-forward activation of architecture A, which the masked-LM head shares; GELU if its layer module names none.
template <class A>
using activation_of = typename detail::activation_of_layer<typename A::layer_module>::type;

/// Copies `n` floats into a buffer taken from `c`.
[[nodiscard]] inline const float* packed_copy(carver& c, const float* from, std::size_t n) noexcept {
  return std::copy_n(from, n, c.take(n)) - n;
}

}  // namespace layers
}  // namespace bert

#endif  // BERT_LAYERS_MODULE_HPP
