// Training: a forward pass that is kept, and the backward pass over it.
// Layer: model. Test: tests/unit/model/tape_test.cpp, against PyTorch's gradients in tests/golden
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <tuple>
#include <utility>

#include "bert/model/session.hpp"

namespace bert {

using layers::step_noise;

template <class Model>
struct tape_workspace;

/// The buffers of a training step, laid out by one description for counting and for carving.
template <class A, class... Heads>
struct tape_workspace<model<A, Heads...>> {
  static constexpr std::size_t h = A::hidden, layer_count = A::layers;

  constexpr tape_workspace(carver& c, const batch_shape& s, const open_sizes& sizes) noexcept
      : tape_workspace(c, s, sizes, std::make_index_sequence<layer_count>{}) {}

  layers::embedding_tape<A> embedding;
  std::array<layers::encoder_layer_tape<A>, layer_count> layer;
  layers::pooler_workspace<A> pooler;
  layers::encoder_layer_scratch<A> scratch;
  float *d_hidden, *d_pooled, *pooler_packed;
  std::tuple<typename Heads::template tape<A>...> heads;

 private:
  template <std::size_t... L>
  constexpr tape_workspace(carver& c, const batch_shape& s, const open_sizes& sizes, std::index_sequence<L...>) noexcept
      : embedding(c, s.tokens), layer{((void)L, layers::encoder_layer_tape<A>(c, s.tokens))...}, pooler(c, s.sequences),
        scratch(c, s.tokens), d_hidden(c.take(s.tokens * h)), d_pooled(c.take(s.sequences * h)),
        pooler_packed(c.take(layers::linear_scratch(s.sequences, h, h))), heads{typename Heads::template tape<A>(c, s, sizes)...} {}
};

/// Bytes that a tape takes for batches of `shape`; a constant expression where the sizes are.
template <class Model>
[[nodiscard]] constexpr std::size_t tape_bytes(batch_shape shape, open_sizes sizes = {.vocab = Model::architecture::vocab}) noexcept {
  carver c;
  (void)tape_workspace<Model>(c, detail::complete<typename Model::architecture>(shape), sizes);
  return c.used() * sizeof(float);
}

template <class Model>
class tape;

/// One training step's memory. `forward`, then fill the gradients of the heads' outputs, then `backward`.
template <class A, class... Heads>
class tape<model<A, Heads...>> {
 public:
  using model_type = model<A, Heads...>;

  tape(const batch_shape& capacity, const open_sizes& sizes)
      : capacity_(detail::complete<A>(capacity)), block_(tape_bytes<model_type>(capacity_, sizes) / sizeof(float)),
        work_(carve(block_.data(), capacity_, sizes)) {}

  /// Runs the encoder and every head over `batch`, keeping what the backward pass needs. `batch` must stay as it is until
  /// then. Throws bert::error if the batch does not fit; never allocates.
  template <executor E>
  void forward(const E& e, const model_type& m, const token_batch& batch, const step_noise& noise = {}) {
    detail::check_capacity<Heads...>(batch, capacity_, "bert::tape");
    detail::check_batch<A>(batch, m.sizes().vocab, "bert::tape");
    const float* block = m.block().data();
    layers::embeddings_forward<A>(e, m.embedding(block), batch, work_.embedding, noise);
    for (std::size_t l = 0; l < A::layers; ++l)
      layers::encoder_layer_forward<A>(e, m.layer(block, l), batch.starts(), input(l, batch.tokens()), work_.layer[l], work_.scratch, noise, l);
    if constexpr (model_type::reads_pooler)
      layers::pooler_forward<A>(e, m.pooler(block), batch.starts(), input(A::layers, batch.tokens()), work_.pooler, work_.pooler_packed);
    const auto in = outputs(batch);
    (head<Heads>().forward(e, m.template head<Heads>(block), in, noise), ...);
  }

  /// Adds the gradient of every parameter to `gradients`, a block laid out as the model's, given the heads' output gradients.
  template <executor E>
  void backward(const E& e, const model_type& m, const token_batch& batch, float* gradients, const step_noise& noise = {}) noexcept {
    const float* block = m.block().data();
    const std::size_t n = batch.tokens();
    const matrix<float> d{work_.d_hidden, n, A::hidden}, d_pooled{work_.d_pooled, batch.sequences(), A::hidden};
    std::fill_n(d.data, n * A::hidden, 0.0f);
    std::fill_n(d_pooled.data, batch.sequences() * A::hidden, 0.0f);
    const auto in = outputs(batch);
    (head<Heads>().backward(e, m.template head<Heads>(block), m.template head<Heads>(gradients), in, d, d_pooled, noise), ...);
    if constexpr (model_type::reads_pooler)
      layers::pooler_backward<A>(e, m.pooler(block), m.pooler(gradients), batch.starts(), work_.pooler, d_pooled, d, work_.pooler_packed);
    for (std::size_t l = A::layers; l-- > 0;)
      layers::encoder_layer_backward<A>(e, m.layer(block, l), m.layer(gradients, l), batch.starts(), input(l, n), work_.layer[l],
                                        work_.scratch, d, noise, l);
    layers::embeddings_backward<A>(e, m.embedding(block), m.embedding(gradients), batch, work_.embedding, d, noise);
  }

  /// A head's buffers: its output, and where the gradient of its output goes.
  template <class Head>
  [[nodiscard]] auto& head() noexcept {
    return std::get<typename Head::template tape<A>>(work_.heads);
  }
  [[nodiscard]] const batch_shape& capacity() const noexcept { return capacity_; }

 private:
  static tape_workspace<model_type> carve(float* block, const batch_shape& shape, const open_sizes& sizes) {
    carver c{block};
    return tape_workspace<model_type>(c, shape, sizes);
  }

  /// What layer l reads; for l = layers, what the heads read.
  [[nodiscard]] matrix<const float> input(std::size_t l, std::size_t n) const noexcept {
    return {l == 0 ? work_.embedding.y : work_.layer[l - 1].y, n, A::hidden};
  }
  [[nodiscard]] encoded outputs(const token_batch& batch) const noexcept {
    return {batch, input(A::layers, batch.tokens()), {work_.pooler.pooled, batch.sequences(), A::hidden}};
  }

  batch_shape capacity_;
  buffer<float> block_;
  tape_workspace<model_type> work_;
};

}  // namespace bert
