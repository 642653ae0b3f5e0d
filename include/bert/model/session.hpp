// Running a frozen model: a session owns every buffer and never allocates.
// Layer: model. Test: tests/unit/model/session_test.cpp
#ifndef BERT_MODEL_SESSION_HPP
#define BERT_MODEL_SESSION_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <tuple>
#include <utility>

#include "bert/core/isa.hpp"
#include "bert/model/frozen.hpp"

namespace bert::inline BERT_ISA {

/// Tokens per slice, which a session takes through all layers at once: whole sequences, so at least the architecture's
/// positions.
///
/// Activations between layers then stay in the caches for any batch: base at 4 x 512 tokens, 63 MB per layer, went from 0.79 of
/// the peak to 0.84. Half as many tokens were no faster and read the weights twice as often.
template <class A>
[[nodiscard]] constexpr std::size_t slice_tokens(const batch_shape& s) noexcept {
  return std::min(s.tokens, std::max<std::size_t>(A::positions, 1024));
}

/// The buffers of a session, laid out by one description for counting and for carving.
template <class Model, class Precision>
struct session_workspace;

template <class A, class... Heads, class P>
struct session_workspace<model<A, Heads...>, P> {
  constexpr session_workspace(carver& c, const batch_shape& s, const open_sizes& sizes) noexcept
      : x(c.take(s.tokens * A::hidden)),
        embeddings(c, slice(s), sizes),
        layer(c, slice(s), sizes),
        pooler(c, model<A, Heads...>::reads_pooler ? s : batch_shape{}, sizes),
        heads{detail::head_workspace<Heads, A, P>(c, s, sizes)...} {}

  float* x;
  typename A::embedding_module::template workspace<A, P> embeddings;
  typename A::layer_module::template workspace<A, P> layer;
  typename A::pooler_module::template workspace<A, P> pooler;
  std::tuple<detail::head_workspace<Heads, A, P>...> heads;

 private:
  static constexpr batch_shape slice(batch_shape s) noexcept {
    s.tokens = slice_tokens<A>(s);
    return s;
  }
};

/// Bytes of a session with capacity `shape`; a constant expression if the sizes are.
template <class Model, class Precision = precision::f32>
[[nodiscard]] constexpr std::size_t session_bytes(batch_shape shape,
                                                  open_sizes sizes = {.vocab = Model::architecture::vocab}) noexcept {
  carver c;
  (void)session_workspace<Model, Precision>(c, detail::complete<Model>(shape), sizes);
  return c.used() * sizeof(float);
}

template <class A, class... Heads, class Precision, executor E>
class session<frozen<model<A, Heads...>, Precision>, E> {
  static_assert((ensure<detail::runs<Heads, A>, facts<A, Heads>> && ...),
                "bert::session: a head's workspace<A> needs a constructor (carver&, const batch_shape&, const open_sizes&), "
                "run(executor, const packed<A>&, const encoded&) and output() const; heads/token_linear.hpp shows them");

 public:
  using frozen_type = frozen<model<A, Heads...>, Precision>;

  session(const frozen_type& f, const batch_shape& capacity, const E& e, const taps& kept = {})
      : frozen_(&f),
        capacity_(detail::complete<model<A, Heads...>>(capacity)),
        executor_(e),
        block_(session_bytes<model<A, Heads...>, Precision>(capacity_, f.sizes()) / sizeof(float)),
        work_(carve(block_.data(), capacity_, f.sizes())),
        kept_(kept.of(A::layers)) {
    std::size_t rows = 0;
    for_each_kept([&](float*&, std::size_t cols) { rows += cols; });
    kept_block_ = buffer<float>(rows * capacity_.tokens);
    float* next = kept_block_.data();
    for_each_kept([&](float*& rows_of, std::size_t cols) {
      rows_of = next;
      next += cols * capacity_.tokens;
    });
  }

  /// Runs the encoder and every head. Returns the first head's output, or the hidden states [N, H] without heads. The view is
  /// valid until the next call. Throws bert::error if the batch does not fit; never allocates.
  auto operator()(const token_batch& batch) {
    detail::check_capacity<Heads...>(batch, capacity_, "bert::session");
    detail::check_batch<A>(batch, frozen_->sizes().vocab, "bert::session");
    const std::size_t n = batch.tokens();
    const matrix<float> x{work_.x, n, A::hidden};
    for (std::size_t first = 0, last = 0; first < batch.sequences(); first = last) {
      last = slice_end(batch, first);
      encode(batch.run(first, last), batch.starts()[first]);
    }
    tokens_ = n;
    sequences_ = batch.sequences();
    if constexpr (frozen_type::reads_pooler) work_.pooler.run(executor_, frozen_->pooler(), batch.starts(), x);
    [[maybe_unused]] const encoded in{batch, x, work_.pooler.output(sequences_)};
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (std::get<I>(work_.heads).run(executor_, frozen_->template head<I>(), in), ...);
    }
    (std::index_sequence_for<Heads...>{});
    if constexpr (sizeof...(Heads) == 0) return hidden();
    else return output<0>();
  }

  /// The last layer's output for the last batch: [tokens, H].
  [[nodiscard]] view<const float, dynamic, A::hidden> hidden() const noexcept {
    return view<const float, dynamic, A::hidden>(work_.x, tokens_);
  }
  /// The pooler's output for the last batch: [sequences, H].
  [[nodiscard]] view<const float, dynamic, A::hidden> pooled() const noexcept requires(frozen_type::reads_pooler) {
    return view<const float, dynamic, A::hidden>(work_.pooler.output(sequences_).data, sequences_);
  }
  /// A head's output for the last batch, by its index or its type.
  template <std::size_t I>
  [[nodiscard]] auto output() const noexcept {
    return std::get<I>(work_.heads).output();
  }
  template <class Head>
  [[nodiscard]] auto output() const noexcept {
    return output<frozen_type::model_type::template index_of_head<Head>>();
  }
  [[nodiscard]] const batch_shape& capacity() const noexcept { return capacity_; }

  /// The output of the embeddings (l = 0) or of layer l, counted from 1, for the last batch: [N, H]. Only of what the session
  /// keeps, or of the last layer.
  [[nodiscard]] matrix<const float> hidden(std::size_t l) const noexcept {
    return {l == A::layers ? work_.x : kept_hidden_[l], tokens_, A::hidden};
  }
  /// The projections q | k | v of layer l, counted from 0: [N, 3H]. Only of what the session keeps.
  [[nodiscard]] matrix<const float> projections(std::size_t l) const noexcept {
    return {kept_projections_[l], tokens_, projection_cols};
  }

 private:
  static constexpr std::size_t projection_cols = 3 * std::size_t{A::hidden};

  /// Calls body(rows, columns) for everything that the session keeps.
  template <class Body>
  void for_each_kept(const Body& body) noexcept {
    for (std::size_t l = 0; l < A::layers; ++l) {
      if (kept_.reads_hidden(l)) body(kept_hidden_[l], std::size_t{A::hidden});
      if (kept_.reads_projections(l)) body(kept_projections_[l], projection_cols);
    }
  }

  /// Runs the encoder over `run`, whose first token is `first` of the batch.
  void encode(const token_run& run, std::size_t first) noexcept {
    const matrix<float> x{work_.x + first * A::hidden, run.ids.size(), A::hidden};
    work_.embeddings.run(executor_, frozen_->embeddings(), run, x, work_.layer.receive(x));
    for (std::size_t l = 0; l < A::layers; ++l) {
      if (kept_.reads_hidden(l)) std::copy_n(x.data, x.rows * x.cols, kept_hidden_[l] + first * A::hidden);
      work_.layer.run(executor_, frozen_->layer(l), run, x);
      if constexpr (requires { work_.layer.projections(x.rows); }) {
        if (!kept_.reads_projections(l)) continue;
        const auto from = work_.layer.projections(x.rows);
        float* to = kept_projections_[l] + first * projection_cols;
        kernels::for_each_row(executor_, x.rows, projection_cols, [&](std::size_t i) {
          std::transform(from.row(i), from.row(i) + projection_cols, to + i * projection_cols,
                         [](auto value) { return to_float(value); });
        });
      }
    }
  }

  /// The end of the slice that starts with sequence `first`. The remaining tokens are split evenly, so that no slice is a small
  /// rest.
  [[nodiscard]] std::size_t slice_end(const token_batch& batch, std::size_t first) const noexcept {
    const auto starts = batch.starts();
    const std::size_t capacity = slice_tokens<A>(capacity_), left = batch.tokens() - starts[first],
                      slices = (left + capacity - 1) / capacity;
    const std::size_t fair = (left + slices - 1) / slices;
    std::size_t last = first + 1;
    while (last < batch.sequences() && starts[last] - starts[first] < fair && starts[last + 1] - starts[first] <= capacity)
      ++last;
    return last;
  }

  static session_workspace<model<A, Heads...>, Precision> carve(float* block, const batch_shape& shape,
                                                                const open_sizes& sizes) {
    carver c{block};
    return session_workspace<model<A, Heads...>, Precision>(c, shape, sizes);
  }

  const frozen_type* frozen_;
  batch_shape capacity_;
  E executor_;
  buffer<float> block_;
  session_workspace<model<A, Heads...>, Precision> work_;
  taps kept_;
  buffer<float> kept_block_;
  std::array<float*, A::layers> kept_hidden_{}, kept_projections_{};
  std::size_t tokens_ = 0, sequences_ = 0;
};

}  // namespace bert

#endif  // BERT_MODEL_SESSION_HPP
