// Weights packed once for inference by `freeze`. To run them, include session.hpp.
// Layer: model. Test: tests/unit/model/session_test.cpp
#ifndef BERT_MODEL_FROZEN_HPP
#define BERT_MODEL_FROZEN_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/layers/precision.hpp"
#include "bert/layers/precision_bf16.hpp"
#include "bert/layers/precision_int8.hpp"
#include "bert/model/model.hpp"
#include "bert/model/taps.hpp"

namespace bert::inline BERT_ISA {
namespace detail {

/// A head's packed weights and session buffers in precision P: `packed<A, P>` and `workspace<A, P>` if the head has them, else
/// `packed<A>` and `workspace<A>`, in f32.
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

/// Whether every layer of A has at most P::most_inputs inputs, if precision P has that limit.
template <class A, class P>
inline constexpr bool inputs_fit = true;
template <class A, class P>
requires requires { P::most_inputs; }
inline constexpr bool inputs_fit<A, P> =
    std::size_t{A::hidden} <= P::most_inputs && std::size_t{A::intermediate} <= P::most_inputs;

/// Throws unless every id, segment and length of `b` fits architecture A and a vocabulary of `vocab` pieces.
template <class A>
void check_batch(const token_batch& b, int vocab, const char* where) {
  for (std::size_t s = 0; s < b.sequences(); ++s)
    if (b.length(s) > static_cast<std::size_t>(A::positions))
      throw_error({cat(where, ", sequence ", s), cat("at most ", A::positions, " tokens, the architecture's positions"),
                   cat(b.length(s)), "truncate when encoding"});
  for (std::size_t i = 0; i < b.tokens(); ++i) {
    if (b.ids()[i] < 0 || b.ids()[i] >= vocab)
      throw_error(
          {cat(where, ", token ", i), cat("an id from 0 to ", vocab - 1), cat(b.ids()[i]), "use the model's own vocabulary"});
    if (b.segments()[i] >= A::segments)
      throw_error({cat(where, ", token ", i), cat("a segment from 0 to ", A::segments - 1), cat(int{b.segments()[i]}), {}});
  }
}

/// A capacity with every `unlimited` resolved. `longest` is the architecture's positions unless a head reads it.
template <class Model>
constexpr batch_shape complete(batch_shape s) noexcept {
  constexpr auto positions = static_cast<std::size_t>(Model::architecture::positions);
  if (s.scored == batch_shape::unlimited) s.scored = s.tokens;
  s.longest = Model::reads_longest ? std::min({s.longest, positions, s.tokens}) : positions;
  return s;
}

/// Scored positions are checked only if a head reads them (`static constexpr bool reads_scored = true`).
template <class Head>
inline constexpr bool reads_scored = requires {
  requires Head::reads_scored;
};

template <class... Heads>
void check_capacity(const token_batch& b, const batch_shape& capacity, const char* where) {
  constexpr bool by_length = (reads_longest<Heads> || ... || false);
  auto shape = b.shape();
  if (!(reads_scored<Heads> || ... || false)) shape.scored = 0;
  if (!by_length) shape.longest = 0;
  const auto text = [](const batch_shape& s) {
    auto counts = cat(s.sequences, " sequences, ", s.tokens, " tokens, ", s.scored, " scored positions");
    if (by_length) counts += cat(", ", s.longest, " tokens per sequence");
    return counts;
  };
  if (b.empty()) throw_error({where, "at least one sequence", "an empty batch", {}});
  if (!capacity.holds(shape))
    throw_error({where, "at most " + text(capacity), text(shape), "make the session with a larger shape, or split the batch"});
}

}  // namespace detail

namespace detail {
template <class P, class A, class... Heads>
constexpr std::size_t packed_floats(std::type_identity<model<A, Heads...>>, const open_sizes& sizes) noexcept {
  carver c;
  A::embedding_module::template packed<A, P>::carve(c, sizes);
  for (int l = 0; l < A::layers; ++l) A::layer_module::template packed<A, P>::carve(c, sizes);
  if constexpr (model<A, Heads...>::reads_pooler) A::pooler_module::template packed<A, P>::carve(c, sizes);
  (packed_head<Heads, A, P>::carve(c, sizes), ...);
  return c.used();
}
}  // namespace detail

/// Bytes of a model's weights packed in precision P; a constant expression if the sizes are.
template <class Model, class P = precision::f32>
[[nodiscard]] constexpr std::size_t packed_bytes(open_sizes sizes = {.vocab = Model::architecture::vocab}) noexcept {
  return detail::packed_floats<P>(std::type_identity<Model>{}, sizes) * sizeof(float);
}

template <class Frozen, executor E>
class session;

template <class Model, class Precision>
class frozen;

/// A model packed for inference in precision P: independent of its source, immutable, shared by any number of sessions.
template <class A, class... Heads, class P>
class frozen<model<A, Heads...>, P> {
  static_assert(
      ensure<precision_policy<P>, facts<P>>,
      "bert::frozen: the precision must be one of bert::precision, f32 for example, or satisfy bert::precision_policy");
  static_assert(ensure<detail::inputs_fit<A, P>, facts<fact::hidden<A::hidden>, fact::intermediate<A::intermediate>>>,
                "bert::frozen: sums over hidden or intermediate would overflow in this precision; take precision::f32 or bf16");
  static_assert((ensure<detail::packs<Heads, A>, facts<A, Heads>> && ...),
                "bert::frozen: a head's packed<A> needs static carve(carver&, const open_sizes&) and a constructor (executor, "
                "carver&, const module_parameters<const float>&, const open_sizes&); heads/token_linear.hpp shows both");

 public:
  using model_type = model<A, Heads...>;
  using architecture = A;
  static constexpr bool reads_pooler = model_type::reads_pooler;

  /// From a model, or from any object with the same sizes(), embeddings(), layer(l), pooler() and head<I>(). Each is called
  /// once, in this order; its result need only live until the next call.
  template <executor E, class Parameters>
  frozen(const E& e, Parameters& m) : sizes_(m.sizes()), block_(packed_bytes<model_type, P>(m.sizes()) / sizeof(float)) {
    carver c{block_.data()};
    embeddings_.emplace_back(e, c, m.embeddings(), sizes_);
    layers_.reserve(A::layers);
    for (std::size_t l = 0; l < A::layers; ++l) layers_.emplace_back(e, c, m.layer(l), sizes_);
    if constexpr (reads_pooler) pooler_.emplace_back(e, c, m.pooler(), sizes_);
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (std::get<I>(heads_).emplace_back(e, c, m.template head<I>(), sizes_), ...);
    }
    (std::index_sequence_for<Heads...>{});
  }

  /// A session with capacity for batches of `shape`. The frozen model must outlive it. One session serves one thread at a time.
  /// It keeps the hidden states and projections of `kept`.
  template <executor E = execution::serial>
  [[nodiscard]] bert::session<frozen, E> session(const batch_shape& shape, const E& e = {}, const taps& kept = {}) const {
    return bert::session<frozen, E>(*this, detail::complete<model_type>(shape), e, kept);
  }

  [[nodiscard]] const open_sizes& sizes() const noexcept { return sizes_; }
  [[nodiscard]] const auto& embeddings() const noexcept { return embeddings_.front(); }
  [[nodiscard]] const auto& layer(std::size_t l) const noexcept { return layers_[l]; }
  [[nodiscard]] const auto& pooler() const noexcept { return pooler_.front(); }
  template <std::size_t I>
  [[nodiscard]] const auto& head() const noexcept {
    return std::get<I>(heads_).front();
  }
  template <class Head>
  [[nodiscard]] const auto& head() const noexcept {
    return head<model_type::template index_of_head<Head>>();
  }

 private:
  using packed_embeddings = typename A::embedding_module::template packed<A, P>;
  using packed_layer = typename A::layer_module::template packed<A, P>;
  using packed_pooler = typename A::pooler_module::template packed<A, P>;

  // Vectors of one element, constructed after the block from which they are carved.
  open_sizes sizes_;
  buffer<float> block_;
  std::vector<packed_embeddings> embeddings_;
  std::vector<packed_layer> layers_;
  std::vector<packed_pooler> pooler_;
  std::tuple<std::vector<detail::packed_head<Heads, A, P>>...> heads_;
};

/// Packs `m` for inference in `Precision`.
template <class Precision = precision::f32, class A, class... Heads, executor E = execution::serial>
[[nodiscard]] frozen<model<A, Heads...>, Precision> freeze(const model<A, Heads...>& m, const E& e = {}) {
  return frozen<model<A, Heads...>, Precision>(e, m);
}

}  // namespace bert

#endif  // BERT_MODEL_FROZEN_HPP
