// How many operations an encoder's forward pass takes: constant expressions, for benchmarks and for choosing an architecture.
// Layer: model. Test: tests/unit/model/operations_test.cpp
#pragma once

#include <cstddef>

#include "bert/core/isa.hpp"
#include "bert/model/dims.hpp"
#include "bert/tensor/token_batch.hpp"

namespace bert::inline BERT_ISA {

/// Operations of an encoder's forward pass; a multiply-add counts as two.
struct operation_count {
  double products = 0;   ///< of its linear layers:  2 N L (4 H^2 + 2 H F)
  double attention = 0;  ///< of Q K^T and of weights times V:  4 L H sum over sequences of T^2

  [[nodiscard]] constexpr double total() const noexcept { return products + attention; }
};

/// For one sequence of `tokens` tokens, H hidden, F intermediate, L layers. Embeddings, norms, activations, pooler and heads
/// are not counted, as in the literature.
template <architecture A>
[[nodiscard]] constexpr operation_count operations(std::size_t tokens) noexcept {
  const double h = A::hidden, f = A::intermediate, l = A::layers, t = static_cast<double>(tokens);
  return {.products = 2 * t * l * (4 * h * h + 2 * h * f), .attention = 4 * l * h * t * t};
}

/// For `shape.sequences` sequences of equal length, `shape.tokens` tokens together.
template <architecture A>
[[nodiscard]] constexpr operation_count operations(const batch_shape& shape) noexcept {
  if (shape.sequences == 0) return {};
  const operation_count one = operations<A>(shape.tokens / shape.sequences);
  const auto n = static_cast<double>(shape.sequences);
  return {.products = n * one.products, .attention = n * one.attention};
}

/// For a batch of any lengths.
template <architecture A>
[[nodiscard]] operation_count operations(const token_batch& batch) noexcept {
  operation_count all;
  for (std::size_t s = 0; s < batch.sequences(); ++s) {
    const operation_count one = operations<A>(batch.length(s));
    all.products += one.products;
    all.attention += one.attention;
  }
  return all;
}

/// The number of weights that the encoder's products read in a pass:  L (4 H^2 + 2 H F)
template <architecture A>
inline constexpr std::size_t encoder_weights = std::size_t{A::layers} * (std::size_t{4} * A::hidden * A::hidden +
                                                                         std::size_t{2} * A::hidden * A::intermediate);

}  // namespace bert
