// What a tape keeps, and its buffers laid out in one block.
// Layer: model. Test: tests/unit/model/tape_test.cpp
#ifndef BERT_MODEL_TAPE_WORKSPACE_HPP
#define BERT_MODEL_TAPE_WORKSPACE_HPP

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>

#include "bert/core/isa.hpp"
#include "bert/model/session.hpp"
#include "bert/model/taps.hpp"

namespace bert::inline BERT_ISA {

/// How a tape provides the activations of the backward pass. The results are the same bits.
namespace activations {
struct keep {};       ///< keeps them: 12 H floats per token and layer for F = 4 H
struct recompute {};  ///< keeps each layer's output alone, H floats, and runs the layer forward again before its backward pass
}  // namespace activations

template <class T>
concept activation_policy = std::same_as<T, activations::keep> || std::same_as<T, activations::recompute>;

/// Whether a head reads rows of the hidden states other than the scored ones and each sequence's first: true unless it has
/// `static constexpr bool reads_all_rows = false`.
template <class Head>
inline constexpr bool reads_all_rows = !requires {
  requires !Head::reads_all_rows;
};

/// `tape_options::lowest` if the embeddings are trained.
inline constexpr int lowest_is_embeddings = -1;

/// Options of a tape.
struct tape_options {
  bert::taps taps = {};
  int lowest = lowest_is_embeddings;  ///< the lowest trained layer, where the backward pass ends; the number of layers: only
                                      ///< pooler and heads
  bool perturbs = false;  ///< whether to keep the gradient with respect to the embeddings' output (`embedding_gradient`)

  /// The options of a tape of so many layers.
  [[nodiscard]] constexpr tape_options of(std::size_t layers) const noexcept { return {taps.of(layers), lowest, perturbs}; }
};

template <class Model>
struct tape_workspace;

/// The buffers of a training step, laid out by one description for counting and for carving.
template <class A, class... Heads>
struct tape_workspace<model<A, Heads...>> {
  static constexpr std::size_t h = A::hidden, layer_count = A::layers;
  using layer_tape = typename A::layer_module::template tape<A>;

  template <activation_policy Activations>
  constexpr tape_workspace(carver& c, const batch_shape& s, const open_sizes& sizes, Activations kept,
                           const tape_options& options) noexcept
      : embeddings(c, s, sizes),
        layer(layer_tapes(c, s, sizes, kept, options, std::make_index_sequence<layer_count>{})),
        pooler(c, s, sizes),
        scratch(c, s, sizes),
        d_hidden(c.take(s.tokens * h)),
        d_pooled(c.take(s.sequences * h)),
        heads{typename Heads::template tape<A>(c, s, sizes)...} {
    for (float*& y : output) y = c.take(s.tokens * h);
    for (std::size_t l = 0; l <= layer_count; ++l)
      if (options.taps.reads_hidden(l)) d_tapped[l] = c.take(s.tokens * h);
    if constexpr (taps_projections)
      for (std::size_t l = 0; l < layer_count; ++l)
        if (options.taps.reads_projections(l)) {
          d_projections[l] = c.take(s.tokens * layer_tape::projection_cols);
          if (std::same_as<Activations, activations::recompute>)
            projections[l] = c.take(s.tokens * layer_tape::projection_cols);
        }
    if (options.perturbs) d_embeddings = c.take(s.tokens * h);
  }

  static constexpr bool taps_projections = requires { layer_tape::projection_cols; };

  typename A::embedding_module::template tape<A> embeddings;
  std::array<layer_tape, layer_count> layer;  ///< shared by layers that are recomputed or have no backward pass
  std::array<float*, layer_count> output{};
  typename A::pooler_module::template tape<A> pooler;
  typename A::layer_module::template scratch<A> scratch;
  float *d_hidden, *d_pooled;
  std::array<float*, layer_count + 1> d_tapped{};
  std::array<float*, layer_count> d_projections{}, projections{};
  float* d_embeddings = nullptr;
  std::tuple<typename Heads::template tape<A>...> heads;

 private:
  template <class Activations, std::size_t... L>
  static constexpr auto layer_tapes(carver& c, const batch_shape& s, const open_sizes& sizes, Activations,
                                    const tape_options& options, std::index_sequence<L...>) noexcept {
    if constexpr (std::same_as<Activations, activations::recompute>) {
      const layer_tape shared(c, s, sizes);
      return std::array<layer_tape, layer_count>{((void)L, shared)...};
    } else {
      if (options.lowest <= 0) return std::array<layer_tape, layer_count>{((void)L, layer_tape(c, s, sizes))...};
      const layer_tape shared(c, s, sizes);
      const auto own = [&](std::size_t l) {
        return static_cast<int>(l) < options.lowest && !options.taps.reads_projections(l) ? shared : layer_tape(c, s, sizes);
      };
      return std::array<layer_tape, layer_count>{own(L)...};
    }
  }
};

/// Bytes of a tape with capacity `shape`; a constant expression if the sizes are.
template <class Model, activation_policy Activations = activations::keep>
[[nodiscard]] constexpr std::size_t tape_bytes(batch_shape shape, open_sizes sizes = {.vocab = Model::architecture::vocab},
                                               const tape_options& options = {}) noexcept {
  carver c;
  shape = detail::complete<Model>(shape);
  (void)tape_workspace<Model>(c, shape, sizes, Activations{}, options.of(Model::architecture::layers));
  return c.used() * sizeof(float) + shape.tokens * sizeof(std::uint32_t);
}

}  // namespace bert

#endif  // BERT_MODEL_TAPE_WORKSPACE_HPP
