// Inference: weights packed once by `freeze`, run by sessions that never allocate.
// Layer: model. Test: tests/unit/model/session_test.cpp
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <tuple>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/layers/precision.hpp"
#include "bert/layers/precision_bf16.hpp"
#include "bert/layers/precision_int8.hpp"
#include "bert/model/model.hpp"

namespace bert::inline BERT_ISA {
namespace detail {

/// A head's packed weights and its session's buffers in precision P: `packed<A, P>` and `workspace<A, P>` where the head has them,
/// else `packed<A>` and `workspace<A>`, which stay in f32.
template <class Head, class A, class P>
struct head_in {
  using packed = typename Head::template packed<A>;
  using workspace = typename Head::template workspace<A>;
};
template <class Head, class A, class P>
  requires requires {
    typename Head::template packed<A, P>;
    typename Head::template workspace<A, P>;
  }
struct head_in<Head, A, P> {
  using packed = typename Head::template packed<A, P>;
  using workspace = typename Head::template workspace<A, P>;
};
template <class Head, class A, class P>
using packed_head = typename head_in<Head, A, P>::packed;
template <class Head, class A, class P>
using head_workspace = typename head_in<Head, A, P>::workspace;

/// Whether every layer of A has few enough inputs for the sums of precision P, where P has a limit (`most_inputs`).
template <class A, class P>
inline constexpr bool inputs_fit = true;
template <class A, class P>
  requires requires { P::most_inputs; }
inline constexpr bool inputs_fit<A, P> = std::size_t{A::hidden} <= P::most_inputs && std::size_t{A::intermediate} <= P::most_inputs;

/// Throws unless every id, segment and length of `b` fits architecture A and a vocabulary of `vocab` pieces.
template <class A>
void check_batch(const token_batch& b, int vocab, const char* where) {
  for (std::size_t s = 0; s < b.sequences(); ++s)
    if (b.length(s) > static_cast<std::size_t>(A::positions))
      throw error({cat(where, ", sequence ", s), cat("at most ", A::positions, " tokens, the architecture's positions"), cat(b.length(s)),
                   "truncate when encoding"});
  for (std::size_t i = 0; i < b.tokens(); ++i) {
    if (b.ids()[i] < 0 || b.ids()[i] >= vocab)
      throw error({cat(where, ", token ", i), cat("an id from 0 to ", vocab - 1), cat(b.ids()[i]), "use the model's own vocabulary"});
    if (b.segments()[i] >= A::segments)
      throw error({cat(where, ", token ", i), cat("a segment from 0 to ", A::segments - 1), cat(int{b.segments()[i]}), {}});
  }
}

template <class A>
constexpr batch_shape complete(batch_shape s) noexcept {
  if (s.scored == batch_shape::unlimited) s.scored = s.tokens;
  s.longest = std::min(s.longest, static_cast<std::size_t>(A::positions));
  return s;
}

/// Scored positions count only where a head reads them (`static constexpr bool reads_scored = true`).
template <class Head>
inline constexpr bool reads_scored = requires { requires Head::reads_scored; };

template <class... Heads>
void check_capacity(const token_batch& b, const batch_shape& room, const char* where) {
  auto shape = b.shape();
  if (!(reads_scored<Heads> || ... || false)) shape.scored = 0;
  const auto text = [](const batch_shape& s) { return cat(s.sequences, " sequences, ", s.tokens, " tokens, ", s.scored, " scored positions"); };
  if (b.empty()) throw error({where, "at least one sequence", "an empty batch", {}});
  if (!room.holds({shape.sequences, shape.tokens, shape.scored, 0}))
    throw error({where, "at most " + text(room), text(shape), "make the session with a larger shape, or split the batch"});
}

}  // namespace detail

template <class Frozen, executor E>
class session;

template <class Model, class Precision>
class frozen;

/// A model packed for inference in precision P: independent of the model it came from, immutable, shared by any number of sessions.
template <class A, class... Heads, class P>
class frozen<model<A, Heads...>, P> {
  static_assert(ensure<precision_policy<P>, facts<P>>,
                "bert::frozen: the precision must be one of bert::precision, f32 for example, or satisfy bert::precision_policy");
  static_assert(ensure<detail::inputs_fit<A, P>, facts<fact::hidden<A::hidden>, fact::intermediate<A::intermediate>>>,
                "bert::frozen: sums over hidden or intermediate would overflow in this precision; take precision::f32 or bf16");

 public:
  using model_type = model<A, Heads...>;
  using architecture = A;
  static constexpr bool reads_pooler = model_type::reads_pooler;

  /// From a model, or from whatever hands out the same parameters part by part: sizes(), embedding(), layer(l), pooler() and
  /// head<Head>(), called once each and in this order, each good until the next call.
  template <executor E, class Parameters>
  frozen(const E& e, Parameters& m) : sizes_(m.sizes()), block_(size(m.sizes())) {
    carver c{block_.data()};
    embedding_.emplace_back(e, c, m.embedding());
    layers_.reserve(A::layers);
    for (std::size_t l = 0; l < A::layers; ++l) layers_.emplace_back(e, c, m.layer(l));
    if constexpr (reads_pooler) pooler_.emplace_back(e, c, m.pooler());
    (std::get<std::vector<detail::packed_head<Heads, A, P>>>(heads_).emplace_back(e, c, m.template head<Heads>(), sizes_), ...);
  }

  /// A session with room for batches of `shape`. The frozen model must outlive it. One session serves one thread at a time.
  template <executor E = execution::serial>
  [[nodiscard]] bert::session<frozen, E> session(const batch_shape& shape, const E& e = {}) const {
    return bert::session<frozen, E>(*this, detail::complete<A>(shape), e);
  }

  [[nodiscard]] const open_sizes& sizes() const noexcept { return sizes_; }
  [[nodiscard]] const auto& embedding() const noexcept { return embedding_.front(); }
  [[nodiscard]] const auto& layer(std::size_t l) const noexcept { return layers_[l]; }
  [[nodiscard]] const auto& pooler() const noexcept { return pooler_.front(); }
  template <class Head>
  [[nodiscard]] const auto& head() const noexcept {
    return std::get<std::vector<detail::packed_head<Head, A, P>>>(heads_).front();
  }

 private:
  static constexpr std::size_t size(const open_sizes& sizes) noexcept {
    carver c;
    layers::packed_embeddings<A, P>::carve(c, static_cast<std::size_t>(sizes.vocab));
    for (int l = 0; l < A::layers; ++l) layers::packed_encoder_layer<A, P>::carve(c);
    if constexpr (reads_pooler) layers::packed_pooler<A>::carve(c);
    (detail::packed_head<Heads, A, P>::carve(c, sizes), ...);
    return c.used();
  }

  open_sizes sizes_;
  buffer<float> block_;
  std::vector<layers::packed_embeddings<A, P>> embedding_;
  std::vector<layers::packed_encoder_layer<A, P>> layers_;
  std::vector<layers::packed_pooler<A>> pooler_;
  std::tuple<std::vector<detail::packed_head<Heads, A, P>>...> heads_;
};

/// Packs `m` for inference in `Precision`.
template <class Precision = precision::f32, class A, class... Heads, executor E = execution::serial>
[[nodiscard]] frozen<model<A, Heads...>, Precision> freeze(const model<A, Heads...>& m, const E& e = {}) {
  return frozen<model<A, Heads...>, Precision>(e, m);
}

/// Tokens that a session takes through all layers at a time: whole sequences, so at least as many as the longest may have.
///
/// What lies between two layers then stays in the caches however large the batch is: base at 4 x 512 tokens, 63 MB a layer, went from 0.79
/// of the peak to 0.84. Half as many tokens were no faster, and read the weights twice as often.
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
      : x(c.take(s.tokens * A::hidden)), layer(c, slice_tokens<A>(s)), pooler(c, model<A, Heads...>::reads_pooler ? s.sequences : 0),
        heads{detail::head_workspace<Heads, A, P>(c, s, sizes)...} {}

  float* x;
  layers::encoder_layer_workspace<A, P> layer;
  layers::pooler_workspace<A> pooler;
  std::tuple<detail::head_workspace<Heads, A, P>...> heads;
};

/// Bytes that a session takes for batches of `shape`; a constant expression where the sizes are.
template <class Model, class Precision = precision::f32>
[[nodiscard]] constexpr std::size_t session_bytes(batch_shape shape, open_sizes sizes = {.vocab = Model::architecture::vocab}) noexcept {
  carver c;
  (void)session_workspace<Model, Precision>(c, detail::complete<typename Model::architecture>(shape), sizes);
  return c.used() * sizeof(float);
}

template <class A, class... Heads, class Precision, executor E>
class session<frozen<model<A, Heads...>, Precision>, E> {
 public:
  using frozen_type = frozen<model<A, Heads...>, Precision>;

  session(const frozen_type& f, const batch_shape& capacity, const E& e)
      : frozen_(&f), capacity_(capacity), executor_(e), block_(session_bytes<model<A, Heads...>, Precision>(capacity, f.sizes()) / sizeof(float)),
        work_(carve(block_.data(), capacity, f.sizes())) {}

  /// Runs the encoder and every head. Returns the first head's output, or the hidden states [N, H] where there is no head.
  /// The view stays valid until the next call. Throws bert::error if the batch does not fit; never allocates.
  auto operator()(const token_batch& batch) {
    detail::check_capacity<Heads...>(batch, capacity_, "bert::session");
    detail::check_batch<A>(batch, frozen_->sizes().vocab, "bert::session");
    const std::size_t n = batch.tokens();
    const matrix<float> x{work_.x, n, A::hidden};
    for (std::size_t first = 0, last = 0; first < batch.sequences(); first = last) {
      last = slice_end(batch, first);
      encode(batch.run(first, last), x.data + batch.starts()[first] * A::hidden);
    }
    if constexpr (frozen_type::reads_pooler) layers::pooler_forward<A>(executor_, frozen_->pooler(), batch.starts(), x, work_.pooler);
    tokens_ = n;
    sequences_ = batch.sequences();
    [[maybe_unused]] const encoded in{batch, x, {work_.pooler.pooled, sequences_, A::hidden}};
    (std::get<detail::head_workspace<Heads, A, Precision>>(work_.heads).run(executor_, frozen_->template head<Heads>(), in), ...);
    if constexpr (sizeof...(Heads) == 0) return hidden();
    else return std::get<0>(work_.heads).output();
  }

  /// The last layer's output for the last batch: [tokens, H].
  [[nodiscard]] view<const float, dynamic, A::hidden> hidden() const noexcept { return view<const float, dynamic, A::hidden>(work_.x, tokens_); }
  /// The pooler's output for the last batch: [sequences, H].
  [[nodiscard]] view<const float, dynamic, A::hidden> pooled() const noexcept
    requires(frozen_type::reads_pooler)
  {
    return view<const float, dynamic, A::hidden>(work_.pooler.pooled, sequences_);
  }
  /// A head's output for the last batch.
  template <class Head>
  [[nodiscard]] auto output() const noexcept {
    return std::get<detail::head_workspace<Head, A, Precision>>(work_.heads).output();
  }
  [[nodiscard]] const batch_shape& capacity() const noexcept { return capacity_; }

 private:
  /// The layers' output for `run`, written to `x`.
  void encode(const token_run& run, float* to) noexcept {
    const matrix<float> x{to, run.ids.size(), A::hidden};
    layers::embeddings_forward(executor_, frozen_->embedding(), run, x, layers::taken_by<Precision>{work_.layer.place(x)});
    for (std::size_t l = 0; l < A::layers; ++l) layers::encoder_layer_forward(executor_, frozen_->layer(l), run.starts, x, work_.layer);
  }

  /// The sequence after the slice that starts with `first`. What is left is cut evenly: no slice is a small rest.
  [[nodiscard]] std::size_t slice_end(const token_batch& batch, std::size_t first) const noexcept {
    const auto starts = batch.starts();
    const std::size_t room = slice_tokens<A>(capacity_), left = batch.tokens() - starts[first], slices = (left + room - 1) / room;
    const std::size_t fair = (left + slices - 1) / slices;
    std::size_t last = first + 1;
    while (last < batch.sequences() && starts[last] - starts[first] < fair && starts[last + 1] - starts[first] <= room) ++last;
    return last;
  }

  static session_workspace<model<A, Heads...>, Precision> carve(float* block, const batch_shape& shape, const open_sizes& sizes) {
    carver c{block};
    return session_workspace<model<A, Heads...>, Precision>(c, shape, sizes);
  }

  const frozen_type* frozen_;
  batch_shape capacity_;
  E executor_;
  buffer<float> block_;
  session_workspace<model<A, Heads...>, Precision> work_;
  std::size_t tokens_ = 0, sequences_ = 0;
};

}  // namespace bert
