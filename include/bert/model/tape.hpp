// Training: a forward pass that is kept, and the backward pass over it.
// Layer: model. Test: tests/unit/model/tape_test.cpp, against PyTorch's gradients in tests/golden
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>
#include <utility>

#include "bert/core/isa.hpp"
#include "bert/model/session.hpp"

namespace bert::inline BERT_ISA {

using kernels::gradients;
using layers::step_noise;

/// What a tape does with the activations that the backward pass needs. The results are the same, bit for bit.
namespace activations {
struct keep {};       ///< keeps them: 12 H floats a token and layer, where F = 4 H
struct recompute {};  ///< keeps each layer's output alone, H floats, and runs the layer forward again before it goes back
}  // namespace activations

template <class T>
concept activation_policy = std::same_as<T, activations::keep> || std::same_as<T, activations::recompute>;

/// Whether a head reads rows of the hidden states beyond the scored ones and each sequence's first: so, unless it says
/// `static constexpr bool reads_all_rows = false`.
template <class Head>
inline constexpr bool reads_all_rows = !requires {
  requires !Head::reads_all_rows;
};

template <class Model>
struct tape_workspace;

/// The buffers of a training step, laid out by one description for counting and for carving.
template <class A, class... Heads>
struct tape_workspace<model<A, Heads...>> {
  static constexpr std::size_t h = A::hidden, layer_count = A::layers;

  template <activation_policy Activations>
  constexpr tape_workspace(carver& c, const batch_shape& s, const open_sizes& sizes, Activations) noexcept
      : embedding(c, s.tokens),
        layer(layer_tapes<Activations>(c, s.tokens, std::make_index_sequence<layer_count>{})),
        pooler(c, s.sequences),
        scratch(c, s.tokens),
        d_hidden(c.take(s.tokens * h)),
        d_pooled(c.take(s.sequences * h)),
        pooler_packed(c.take(layers::linear_scratch(s.sequences, h, h))),
        heads{typename Heads::template tape<A>(c, s, sizes)...} {
    for (float*& y : output) y = c.take(s.tokens * h);
  }

  layers::embedding_tape<A> embedding;
  std::array<layers::encoder_layer_tape<A>, layer_count> layer;  ///< one and the same where they are computed again
  std::array<float*, layer_count> output{};
  layers::pooler_workspace<A> pooler;
  layers::encoder_layer_scratch<A> scratch;
  float *d_hidden, *d_pooled, *pooler_packed;
  std::tuple<typename Heads::template tape<A>...> heads;

 private:
  template <class Activations, std::size_t... L>
  static constexpr auto layer_tapes(carver& c, std::size_t n, std::index_sequence<L...>) noexcept {
    using one_layer = layers::encoder_layer_tape<A>;
    if constexpr (std::same_as<Activations, activations::recompute>) {
      const one_layer shared(c, n);
      return std::array<one_layer, layer_count>{((void)L, shared)...};
    } else {
      return std::array<one_layer, layer_count>{((void)L, one_layer(c, n))...};
    }
  }
};

/// Bytes that a tape takes for batches of `shape`; a constant expression where the sizes are.
template <class Model, activation_policy Activations = activations::keep>
[[nodiscard]] constexpr std::size_t tape_bytes(batch_shape shape,
                                               open_sizes sizes = {.vocab = Model::architecture::vocab}) noexcept {
  carver c;
  shape = detail::complete<typename Model::architecture>(shape);
  (void)tape_workspace<Model>(c, shape, sizes, Activations{});
  return c.used() * sizeof(float) + shape.tokens * sizeof(std::uint32_t);
}

template <class Model, class... Policies>
class tape;

/// One training step's memory. `forward`, then fill the gradients of the heads' outputs, then `backward`, once.
template <class A, class... Heads>
class tape<model<A, Heads...>> {
 public:
  using model_type = model<A, Heads...>;

  tape(const batch_shape& capacity, const open_sizes& sizes) : tape(capacity, sizes, activations::keep{}) {}

  /// Runs the encoder and every head over `batch`, keeping what the backward pass needs. `batch` must stay as it is until
  /// then. Throws bert::error if the batch does not fit; never allocates.
  template <executor E>
  void forward(const E& e, const model_type& m, const token_batch& batch, const step_noise& noise = {}) {
    detail::check_capacity<Heads...>(batch, capacity_, "bert::tape");
    detail::check_batch<A>(batch, m.sizes().vocab, "bert::tape");
    const float* block = m.block().data();
    choose_rows(batch);
    layers::embeddings_forward<A>(e, m.embedding(block), batch, work_.embedding, noise);
    for (std::size_t l = 0; l < A::layers; ++l) layer_forward(e, m, batch, noise, l);
    if constexpr (model_type::reads_pooler)
      layers::pooler_forward<A>(e, m.pooler(block), batch.starts(), input(A::layers, batch.tokens()), work_.pooler,
                                work_.pooler_packed);
    const auto in = outputs(batch);
    (head<Heads>().forward(e, m.template head<Heads>(block), in, noise), ...);
  }

  /// Adds the gradient of every parameter to `out`, a block laid out as the model's, or writes it there, given the heads'
  /// output gradients.
  template <executor E>
  void backward(const E& e, const model_type& m, const token_batch& batch, float* out, const step_noise& noise = {},
                gradients how = gradients::added) noexcept {
    backward(e, m, batch, out, noise, how, [](std::size_t) {});
  }

  /// A head's buffers: its output, and where the gradient of its output goes.
  template <class Head>
  [[nodiscard]] auto& head() noexcept {
    return std::get<typename Head::template tape<A>>(work_.heads);
  }
  [[nodiscard]] const batch_shape& capacity() const noexcept { return capacity_; }

 protected:
  template <activation_policy Activations>
  tape(const batch_shape& capacity, const open_sizes& sizes, Activations kept)
      : capacity_(detail::complete<A>(capacity)),
        block_(tape_bytes<model_type, Activations>(capacity_, sizes) / sizeof(float)),
        rows_(capacity_.tokens),
        work_(carve(block_.data(), capacity_, sizes, kept)) {}

  template <executor E>
  void layer_forward(const E& e, const model_type& m, const token_batch& batch, const step_noise& noise,
                     std::size_t l) noexcept {
    layers::encoder_layer_forward<A>(e, m.layer(m.block().data(), l), batch.starts(), input(l, batch.tokens()), work_.layer[l],
                                     {work_.output[l], batch.tokens(), A::hidden}, work_.scratch, noise, l, rows(l));
  }

  /// `before(l)` sees to it that layer l's tape is there.
  template <executor E, class Before>
  void backward(const E& e, const model_type& m, const token_batch& batch, float* out, const step_noise& noise, gradients how,
                Before&& before) noexcept {
    if (how == gradients::written) clear_added(e, m, out);
    const float* block = m.block().data();
    const std::size_t n = batch.tokens();
    const matrix<float> d{work_.d_hidden, n, A::hidden}, d_pooled{work_.d_pooled, batch.sequences(), A::hidden};
    std::fill_n(d.data, n * A::hidden, 0.0f);
    std::fill_n(d_pooled.data, batch.sequences() * A::hidden, 0.0f);
    const auto in = outputs(batch);
    (head<Heads>().backward(e, m.template head<Heads>(block), m.template head<Heads>(out), in, d, d_pooled, noise), ...);
    if constexpr (model_type::reads_pooler)
      layers::pooler_backward<A>(e, m.pooler(block), m.pooler(out), batch.starts(), work_.pooler, d_pooled, d,
                                 work_.pooler_packed);
    for (std::size_t l = A::layers; l-- > 0;) {
      before(l);
      layers::encoder_layer_backward<A>(e, m.layer(block, l), m.layer(out, l), batch.starts(), input(l, n), work_.layer[l],
                                        work_.scratch, d, noise, l, how, rows(l));
    }
    layers::embeddings_backward<A>(e, m.embedding(block), m.embedding(out), batch, work_.embedding, d, noise);
  }

 private:
  /// The rows of the last layer's output that any head reads: first ones and scored ones, in ascending order.
  void choose_rows(const token_batch& batch) noexcept {
    row_count_ = 0;
    if constexpr (!(reads_all_rows<Heads> || ... || (sizeof...(Heads) == 0))) {
      const auto scored = batch.scored();
      std::size_t next = 0;
      for (std::size_t s = 0; s < batch.sequences(); ++s) {
        const auto first = static_cast<std::uint32_t>(batch.starts()[s]);
        rows_[row_count_++] = first;
        for (; next < scored.size() && scored[next] < batch.starts()[s + 1]; ++next)
          if (scored[next] != first) rows_[row_count_++] = scored[next];
      }
    }
  }
  /// What layer l must compute; empty for all.
  [[nodiscard]] std::span<const std::uint32_t> rows(std::size_t l) const noexcept {
    return {rows_.data(), l + 1 == A::layers ? row_count_ : 0};
  }

  template <class Activations>
  static tape_workspace<model_type> carve(float* block, const batch_shape& shape, const open_sizes& sizes, Activations kept) {
    carver c{block};
    return tape_workspace<model_type>(c, shape, sizes, kept);
  }

  /// Zeros for all that the backward pass adds to in any case: everything but the layers' weights.
  template <executor E>
  static void clear_added(const E& e, const model_type& m, float* out) noexcept {
    for (const parameter& p : m.table())
      if (p.layer < 0 || p.role != role::weight) kernels::clear(e, {out + p.offset, p.count()});
  }

  /// What layer l reads; for l = layers, what the heads read.
  [[nodiscard]] matrix<const float> input(std::size_t l, std::size_t n) const noexcept {
    return {l == 0 ? work_.embedding.y : work_.output[l - 1], n, A::hidden};
  }
  [[nodiscard]] encoded outputs(const token_batch& batch) const noexcept {
    return {batch, input(A::layers, batch.tokens()), {work_.pooler.pooled, batch.sequences(), A::hidden}};
  }

  batch_shape capacity_;
  buffer<float> block_;
  buffer<std::uint32_t> rows_;
  std::size_t row_count_ = 0;
  tape_workspace<model_type> work_;
};

template <class Model>
class tape<Model, activations::keep> : public tape<Model> {
 public:
  using tape<Model>::tape;
};

/// A third more arithmetic for an eighth of the memory. Objectives see a `tape<Model>`.
template <class Model>
class tape<Model, activations::recompute> : public tape<Model> {
 public:
  tape(const batch_shape& capacity, const open_sizes& sizes) : tape<Model>(capacity, sizes, activations::recompute{}) {}

  template <executor E>
  void backward(const E& e, const Model& m, const token_batch& batch, float* out, const step_noise& noise = {},
                gradients how = gradients::added) noexcept {
    tape<Model>::backward(e, m, batch, out, noise, how, [&](std::size_t l) {
      if (l + 1 < Model::architecture::layers) this->layer_forward(e, m, batch, noise, l);  // the last one's is there still
    });
  }
};

}  // namespace bert
