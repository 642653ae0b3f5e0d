// Training: a forward pass that is recorded, and the backward pass over it.
// Layer: model. Test: tests/unit/model/tape_test.cpp, against PyTorch's gradients in tests/golden
#ifndef BERT_MODEL_TAPE_HPP
#define BERT_MODEL_TAPE_HPP

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <tuple>
#include <utility>

#include "bert/core/isa.hpp"
#include "bert/model/session.hpp"
#include "bert/model/tape_workspace.hpp"

namespace bert::inline BERT_ISA {

using kernels::gradients;
using layers::step_noise;

template <class Model, class... Policies>
class tape;

/// The buffers of one training step. Call `forward`, write the gradients of the heads' outputs, then call `backward` once.
template <class A, class... Heads>
class tape<model<A, Heads...>> {
  static_assert((ensure<detail::trains<Heads, A>, facts<A, Heads>> && ...),
                "bert::tape: a head's tape<A> needs a constructor (carver&, const batch_shape&, const open_sizes&), "
                "forward(executor, const module_parameters<const float>&, const encoded&, const step_noise&) and "
                "backward(executor, const module_parameters<const float>&, const module_parameters<float>&, const encoded&, "
                "matrix<float> d_hidden, matrix<float> d_pooled, const step_noise&); heads/token_linear.hpp shows them");

 public:
  using model_type = model<A, Heads...>;
  using gradient_view = block_view<A, float>;

  explicit tape(const batch_shape& capacity, const open_sizes& sizes, const tape_options& options = {})
      : tape(capacity, sizes, options, activations::keep{}) {}

  /// Runs the encoder and every head over `batch`, which must not change until `backward`, and keeps what that needs. Adds
  /// `perturbation` [N, H], unless it is empty, to the embeddings' output. Throws bert::error if the batch does not fit; never
  /// allocates.
  template <executor E>
  void forward(const E& e, const model_type& m, const token_batch& batch, const step_noise& noise = {},
               matrix<const float> perturbation = {}) {
    forward(e, m, batch, noise, [&](matrix<float> y) {
      if (perturbation.data != nullptr) kernels::add_in_place(e, perturbation, y);
    });
  }
  /// The same, where `change(matrix<float> y)` changes the embeddings' output y [N, H] in its place.
  template <executor E, std::invocable<matrix<float>> Change>
  void forward(const E& e, const model_type& m, const token_batch& batch, const step_noise& noise, const Change& change) {
    detail::check_capacity<Heads...>(batch, capacity_, "bert::tape");
    if constexpr (layers::products_in_parts<E>)
      if (constexpr std::size_t parts = precision::parts_in<typename E::products>; capacity_.parts < parts)
        throw_error({"bert::tape",
                     cat("a capacity with .parts = ", parts, ", for products in parts of bf16"),
                     cat(capacity_.parts),
                     {}});
    detail::check_batch<A>(batch, m.sizes().vocab, "bert::tape");
    const auto p = m.view(m.block().data());
    tokens_ = batch.tokens();
    choose_rows(batch);
    split_rows(batch);
    clear_taps(e);
    work_.embeddings.forward(e, p.embeddings(), batch, noise);
    change(work_.embeddings.output(tokens_));
    for (std::size_t l = 0; l < A::layers; ++l) {
      layer_forward(e, m, batch, noise, l);
      if (float* copy = work_.projections[l]; copy != nullptr)
        if constexpr (workspace::taps_projections)
          std::copy_n(work_.layer[l].projections(tokens_).data, tokens_ * workspace::layer_tape::projection_cols, copy);
    }
    if constexpr (model_type::reads_pooler) work_.pooler.forward(e, p.pooler(), batch.starts(), hidden(A::layers));
    const auto in = outputs(batch);
    asked_ = {};
    for_each_head([&](auto i) { std::get<i>(work_.heads).forward(e, m.template head<i>(p), in, noise); });
  }

  /// Adds the gradient of every parameter to `out`, or writes it there, given the gradients of the heads' outputs. `out` has
  /// the model's layout, or omits untrained parameters.
  template <executor E>
  void backward(const E& e, const model_type& m, const token_batch& batch, const gradient_view& out,
                const step_noise& noise = {}, gradients how = gradients::added) noexcept {
    backward(e, m, batch, out, noise, how, [](std::size_t) {});
  }
  template <executor E>
  void backward(const E& e, const model_type& m, const token_batch& batch, float* out, const step_noise& noise = {},
                gradients how = gradients::added) noexcept {
    backward(e, m, batch, m.view(out), noise, how);
  }

  /// Adds to the embeddings' gradients what `d` [N, H] gives, a further gradient with respect to their output before it was
  /// changed, of the batch that was run last. Overwrites `d`.
  template <executor E>
  void backward_embeddings(const E& e, const model_type& m, const token_batch& batch, matrix<float> d, const gradient_view& out,
                           const step_noise& noise = {}) noexcept {
    if (lowest_ <= lowest_is_embeddings)
      work_.embeddings.backward(e, m.view(m.block().data()).embeddings(), out.embeddings(), batch, d, noise, groups().tokens);
  }

  /// A head's buffers, by its index or type: its output, which an objective replaces by the output's gradient. A head that is
  /// not asked for after a forward pass has no gradient.
  template <std::size_t I>
  [[nodiscard]] auto& head() noexcept {
    asked_[I] = true;
    return std::get<I>(work_.heads);
  }
  template <class Head>
  [[nodiscard]] auto& head() noexcept {
    return head<model_type::template index_of_head<Head>>();
  }
  [[nodiscard]] const batch_shape& capacity() const noexcept { return capacity_; }

  /// Sums the gradients of later batches over groups of their sequences, in a fixed binary tree. Group g is sequences
  /// [offsets[g], offsets[g + 1]); the number of groups is a power of two, at most the `leaves` of the tape's capacity. Empty:
  /// one group.
  void split(std::span<const std::size_t> offsets) noexcept {
    groups_ = offsets.empty() ? 0 : offsets.size() - 1;
    std::copy(offsets.begin(), offsets.end(), offsets_[0].begin());
  }
  /// Later backward passes call `before(l)` before they come to layer l: the gradients of heads, pooler and of the layers above
  /// l are then written, the layers below and the embeddings still to come. Empty: nothing is called. It must not throw.
  void watch(std::function<void(std::size_t)> before) noexcept { watch_ = std::move(before); }
  /// The lowest layer that later backward passes train, if it is above that of the tape's options. The gradients of lower
  /// layers are neither computed nor written.
  void train_from(int lowest) noexcept { lowest_ = std::max(options_.lowest, lowest); }
  /// The number of rows of the last layer's output that heads read of `batch`; 0 if they read all.
  [[nodiscard]] std::size_t chosen_rows(const token_batch& batch) noexcept {
    choose_rows(batch);
    return row_count_;
  }

  /// The output of the embeddings (l = 0) or of layer l, counted from 1, for the last batch: [N, H]. If heads read only some
  /// rows of the last layer and it is not tapped, its other rows are not computed.
  [[nodiscard]] matrix<const float> hidden(std::size_t l) const noexcept {
    return {l == 0 ? work_.embeddings.output(tokens_).data : work_.output[l - 1], tokens_, A::hidden};
  }
  /// An objective adds the gradient with respect to `hidden(l)` here; each forward pass clears it. Only for layers in
  /// `tape_options::taps`.
  [[nodiscard]] matrix<float> d_hidden(std::size_t l) const noexcept { return {work_.d_tapped[l], tokens_, A::hidden}; }
  /// The projections of layer l, counted from 0, and their gradient: q | k | v. Only for tapped layers.
  [[nodiscard]] matrix<const float> projections(std::size_t l) const noexcept {
    if (work_.projections[l] != nullptr) return {work_.projections[l], tokens_, workspace::layer_tape::projection_cols};
    return work_.layer[l].projections(tokens_);
  }
  [[nodiscard]] matrix<float> d_projections(std::size_t l) const noexcept {
    return {work_.d_projections[l], tokens_, workspace::layer_tape::projection_cols};
  }
  /// The gradient with respect to the embeddings' output, after a backward pass: [N, H]. Only with `tape_options::perturbs`.
  [[nodiscard]] matrix<const float> embedding_gradient() const noexcept { return {work_.d_embeddings, tokens_, A::hidden}; }

 protected:
  using workspace = tape_workspace<model_type>;

  template <activation_policy Activations>
  tape(const batch_shape& capacity, const open_sizes& sizes, const tape_options& options, Activations kept)
      : options_(options.of(A::layers)),
        capacity_(detail::complete<model_type>(capacity)),
        block_(tape_bytes<model_type, Activations>(capacity_, sizes, options) / sizeof(float)),
        rows_(capacity_.tokens),
        offsets_{buffer<std::size_t>(capacity_.leaves + 1), buffer<std::size_t>(capacity_.leaves + 1),
                 buffer<std::size_t>(capacity_.leaves + 1), buffer<std::size_t>(capacity_.leaves + 1)},
        work_(carve(block_.data(), capacity_, sizes, kept, options_)) {}

  template <executor E>
  void layer_forward(const E& e, const model_type& m, const token_batch& batch, const step_noise& noise,
                     std::size_t l) noexcept {
    work_.layer[l].forward(e, m.layer(l), batch, hidden(l), {work_.output[l], tokens_, A::hidden}, work_.scratch, noise, l,
                           rows(l));
  }

  /// `before(l)` provides layer l's tape.
  template <executor E, class Before>
  void backward(const E& e, const model_type& m, const token_batch& batch, const gradient_view& out, const step_noise& noise,
                gradients how, Before&& before) noexcept {
    if (how == gradients::written) clear_added(e, out);
    const auto p = m.view(m.block().data());
    const std::size_t n = tokens_;
    const matrix<float> d{work_.d_hidden, n, A::hidden}, d_pooled{work_.d_pooled, batch.sequences(), A::hidden};
    std::fill_n(d.data, n * A::hidden, 0.0f);
    std::fill_n(d_pooled.data, batch.sequences() * A::hidden, 0.0f);
    const auto in = outputs(batch);
    for_each_head([&](auto i) {
      if (asked_[i])
        std::get<i>(work_.heads).backward(e, m.template head<i>(p), m.template head<i>(out), in, d, d_pooled, noise);
    });
    if constexpr (model_type::reads_pooler)
      work_.pooler.backward(e, p.pooler(), out.pooler(), batch.starts(), d_pooled, d, groups().sequences);
    const bool to_embeddings = lowest_ <= lowest_is_embeddings || options_.perturbs;
    const std::size_t lowest = to_embeddings ? 0 : static_cast<std::size_t>(lowest_);
    for (std::size_t l = A::layers; l-- > lowest;) {
      add_tapped(e, l + 1, d);
      if (watch_) watch_(l);
      before(l);
      work_.layer[l].backward(
          e, p.layer(l), out.layer(l), batch, hidden(l), work_.scratch, d, noise, l,
          {.how = how, .input = to_embeddings || l > lowest, .d_projections = tapped_projections(l), .groups = groups()},
          rows(l));
    }
    if (!to_embeddings) return;
    add_tapped(e, 0, d);
    if (options_.perturbs) std::copy_n(d.data, n * A::hidden, work_.d_embeddings);
    if (lowest_ <= lowest_is_embeddings)
      work_.embeddings.backward(e, p.embeddings(), out.embeddings(), batch, d, noise, groups().tokens);
  }

 private:
  template <class Body>
  static void for_each_head(Body&& body) {
    [&]<std::size_t... I>(std::index_sequence<I...>) { (body(std::integral_constant<std::size_t, I>{}), ...); }
    (std::index_sequence_for<Heads...>{});
  }

  /// Lists the rows of the last layer's output that a head reads: first and scored ones, ascending.
  void choose_rows(const token_batch& batch) noexcept {
    row_count_ = 0;
    if constexpr (!(reads_all_rows<Heads> || ... || (sizeof...(Heads) == 0))) {
      if (options_.taps.reads_hidden(A::layers)) return;
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
  /// Computes the offsets of the groups of sequences in the tokens, the scored positions and the chosen rows.
  void split_rows(const token_batch& batch) noexcept {
    for (std::size_t g = 0; groups_ != 0 && g <= groups_; ++g) {
      const std::size_t token = batch.starts()[offsets_[0][g]];
      const auto before = [&](std::span<const std::uint32_t> rows) {
        return static_cast<std::size_t>(std::lower_bound(rows.begin(), rows.end(), token) - rows.begin());
      };
      offsets_[1][g] = token;
      offsets_[2][g] = before(batch.scored());
      offsets_[3][g] = before({rows_.data(), row_count_});
    }
  }
  [[nodiscard]] batch_groups groups() const noexcept {
    const auto of = [&](std::size_t kind) {
      return kernels::row_groups{{offsets_[kind].data(), groups_ == 0 ? 0 : groups_ + 1}};
    };
    return {of(0), of(1), of(2), of(3)};
  }

  /// The rows that layer l must compute; empty for all.
  [[nodiscard]] std::span<const std::uint32_t> rows(std::size_t l) const noexcept {
    return {rows_.data(), l + 1 == A::layers ? row_count_ : 0};
  }

  template <executor E>
  void clear_taps(const E& e) noexcept {
    for (float* d : work_.d_tapped)
      if (d != nullptr) kernels::clear(e, {d, tokens_ * A::hidden});
    if constexpr (workspace::taps_projections)
      for (float* d : work_.d_projections)
        if (d != nullptr) kernels::clear(e, {d, tokens_ * workspace::layer_tape::projection_cols});
  }
  template <executor E>
  void add_tapped(const E& e, std::size_t l, matrix<float> d) noexcept {
    if (work_.d_tapped[l] != nullptr) kernels::add_in_place(e, d_hidden(l), d);
  }
  [[nodiscard]] matrix<const float> tapped_projections(std::size_t l) const noexcept {
    if constexpr (workspace::taps_projections) {
      if (work_.d_projections[l] != nullptr) return d_projections(l);
    }
    return {};
  }

  template <class Activations>
  static workspace carve(float* block, const batch_shape& shape, const open_sizes& sizes, Activations kept,
                         const tape_options& options) {
    carver c{block};
    return workspace(c, shape, sizes, kept, options);
  }

  /// Clears the gradients that the backward pass always adds to: all but the layers' weights.
  template <executor E>
  static void clear_added(const E& e, const gradient_view& out) noexcept {
    for (std::size_t i = 0; i < out.table().size(); ++i) {
      const parameter& p = out.table()[i];
      if (p.layer < 0 || p.role != role::weight) kernels::clear(e, out.values(i));
    }
  }

  [[nodiscard]] encoded outputs(const token_batch& batch) const noexcept {
    return {batch, hidden(A::layers), work_.pooler.output(batch.sequences()), groups()};
  }

  tape_options options_;
  int lowest_ = options_.lowest;
  std::function<void(std::size_t)> watch_;
  batch_shape capacity_;
  buffer<float> block_;
  buffer<std::uint32_t> rows_;
  std::size_t row_count_ = 0, tokens_ = 0, groups_ = 0;
  std::array<bool, sizeof...(Heads)> asked_{};  ///< heads asked for since the last forward pass
  std::array<buffer<std::size_t>, 4> offsets_;  ///< of groups, in sequences, tokens, scored positions and chosen rows
  workspace work_;
};

template <class Model>
class tape<Model, activations::keep> : public tape<Model> {
 public:
  using tape<Model>::tape;
};

/// A third more arithmetic for an eighth of the memory. An objective is passed the base, `tape<Model>`.
template <class Model>
class tape<Model, activations::recompute> : public tape<Model> {
 public:
  explicit tape(const batch_shape& capacity, const open_sizes& sizes, const tape_options& options = {})
      : tape<Model>(capacity, sizes, options, activations::recompute{}) {}

  template <executor E>
  void backward(const E& e, const Model& m, const token_batch& batch, const typename tape<Model>::gradient_view& out,
                const step_noise& noise = {}, gradients how = gradients::added) noexcept {
    tape<Model>::backward(e, m, batch, out, noise, how, [&](std::size_t l) {
      if (l + 1 < Model::architecture::layers) this->layer_forward(e, m, batch, noise, l);  // the last layer's is still there
    });
  }
  template <executor E>
  void backward(const E& e, const Model& m, const token_batch& batch, float* out, const step_noise& noise = {},
                gradients how = gradients::added) noexcept {
    backward(e, m, batch, m.view(out), noise, how);
  }
};

}  // namespace bert

#endif  // BERT_MODEL_TAPE_HPP
