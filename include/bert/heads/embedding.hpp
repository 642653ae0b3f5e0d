// A vector per sequence, pooled from its hidden states, with an optional dense layer: sentence embeddings, trained and served.
// Layer: heads. Test: tests/unit/heads/embedding_test.cpp. Paper: Reimers and Gurevych 2019, "Sentence-BERT", 3.
#ifndef BERT_HEADS_EMBEDDING_HPP
#define BERT_HEADS_EMBEDDING_HPP

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>

#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/heads/dense.hpp"
#include "bert/heads/pooling.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/kernels/rows/unit_rows.hpp"
#include "bert/model/tape.hpp"

namespace bert::inline BERT_ISA::heads {

/// What becomes of a pooled vector: `unit_length` divides it by its length, as sentence-transformers' Normalize does;
/// `as_pooled` leaves it.
struct unit_length {};
struct as_pooled {};

template <class N>
concept normalization = std::same_as<N, unit_length> || std::same_as<N, as_pooled>;

/// y[s,:] = z / max(|z|, 1e-12),  z = f(W p + b) or p,  p = Pooling(hidden states of sequence s);  y [S, D], D = H without W
///
///     using bi_encoder = bert::model<bert::arch::minilm_l6, bert::heads::embedding<bert::pooling::mean>>;
///     using smaller = bert::heads::embedding<bert::pooling::cls, bert::heads::unit_length, bert::heads::dense<256>>;
///
/// Its output has the bits of bert::embedder's vectors. bert::save writes modules.json, 1_Pooling and 2_Dense beside the
/// weights of a model whose first head it is.
template <pooling_policy Pooling = pooling::mean, normalization Normalize = unit_length, dense_policy Dense = no_dense>
struct embedding {
  using predicts = target::embedding;
  using pooling_type = Pooling;
  using dense_type = Dense;
  static constexpr bool normalizes = std::same_as<Normalize, unit_length>;
  static constexpr bool has_dense = !std::same_as<Dense, no_dense>;
  static constexpr bool reads_pooler = false;
  static constexpr bool reads_all_rows = !std::same_as<Pooling, pooling::cls>;
  static constexpr output_rows rows = output_rows::sequences;

  /// What the tensors do not tell.
  [[nodiscard]] static named_facts fingerprint() {
    named_facts facts{{"pooling", std::string(pooling_name<Pooling>())},
                      {"vectors", normalizes ? "of unit length" : "as pooled"}};
    if constexpr (has_dense) facts.emplace_back("dense layer", Dense::linear ? "linear" : "with an activation");
    return facts;
  }

  /// The dimension of a vector.
  template <class A>
  static constexpr int width = has_dense ? Dense::outputs : A::hidden;

  template <class A>
  static constexpr auto parameters() {
    return Dense::template parameters<A>();
  }
  template <class A>
  using packed = typename Dense::template packed<A>;

  /// Buffers of a session; `output()` is [sequences, width].
  template <class A>
  class workspace {
   public:
    static constexpr std::size_t h = A::hidden, d = width<A>;

    constexpr workspace(carver& c, const batch_shape& s, const open_sizes&) noexcept
        : pooled_(c.take(has_dense ? s.sequences * h : 0)), vectors_(c.take(s.sequences * d)) {}

    template <executor E>
    void run(const E& e, const packed<A>& p, const encoded& in) noexcept {
      rows_ = in.batch.sequences();
      float* const to = has_dense ? pooled_ : vectors_;
      pool(e, in, [&](std::size_t s, matrix<const float> x) {
        const std::span<float> y(to + s * h, h);
        Pooling::pool(x, y);
        if constexpr (normalizes && !has_dense) to_unit_length(y);
      });
      if constexpr (has_dense) {
        const matrix<float> z{vectors_, rows_, d};
        Dense::template run<A>(e, p, matrix<const float>{pooled_, rows_, h}, z);
        if constexpr (normalizes) e.parallel_for(rows_, [&](std::size_t s) { to_unit_length({z.row(s), d}); });
      }
    }
    [[nodiscard]] auto output() const noexcept { return view<const float, dynamic, width<A>>(vectors_, rows_); }

   private:
    std::size_t rows_ = 0;
    float *pooled_, *vectors_;
  };

  /// Buffers of a training step. The objective overwrites `vectors()` [S, D] by its gradient before `backward`.
  template <class A>
  class tape {
    static_assert(ensure<trained_pooling_policy<Pooling>, facts<Pooling>>,
                  "bert::heads::embedding: to train it, its pooling needs static backward(x, y, d_y, d_x) noexcept; "
                  "heads/pooling.hpp shows them");

   public:
    static constexpr std::size_t h = A::hidden, d = width<A>;

    constexpr tape(carver& c, const batch_shape& s, const open_sizes&) noexcept
        : pooled_(c.take(s.sequences * h)),
          unit_(c.take(normalizes ? s.sequences * d : 0)),
          inverse_(c.take(normalizes ? s.sequences : 0)),
          vectors_(c.take(s.sequences * d)),
          dense_(c, s) {}

    [[nodiscard]] matrix<float> vectors() const noexcept { return {vectors_, rows_, d}; }

    template <executor E>
    void forward(const E& e, const module_parameters<const float>& p, const encoded& in, const step_noise&) noexcept {
      rows_ = in.batch.sequences();
      pool(e, in, [&](std::size_t s, matrix<const float> x) { Pooling::pool(x, {pooled_ + s * h, h}); });
      const matrix<float> y = vectors();
      if constexpr (has_dense) dense_.forward(e, p, pooled(), y);
      else std::copy_n(pooled_, rows_ * h, vectors_);
      if constexpr (normalizes) {
        e.parallel_for(rows_, [&](std::size_t s) { inverse_[s] = to_unit_length({y.row(s), d}); });
        std::copy_n(vectors_, rows_ * d, unit_);
      }
    }

    template <executor E>
    void backward(const E& e, const module_parameters<const float>& p, const module_parameters<float>& g, const encoded& in,
                  matrix<float> d_hidden, matrix<float>, const step_noise&) noexcept {
      if constexpr (normalizes) kernels::unit_rows_backward(e, matrix<const float>{unit_, rows_, d}, inverse_, vectors());
      matrix<float> d_pooled = vectors();
      if constexpr (has_dense) d_pooled = dense_.backward(e, p, g, pooled(), vectors(), in.groups.sequences);
      pool(e, in, [&](std::size_t s, matrix<const float> x) {
        const std::span<const float> y(pooled_ + s * h, h), d_y(d_pooled.row(s), h);
        Pooling::backward(x, y, d_y, d_hidden.block(in.batch.starts()[s], x.rows));
      });
    }

   private:
    [[nodiscard]] matrix<const float> pooled() const noexcept { return {pooled_, rows_, h}; }

    std::size_t rows_ = 0;
    float *pooled_, *unit_, *inverse_, *vectors_;
    typename Dense::template tape<A> dense_;
  };

 private:
  /// Calls body(s, x) with the hidden states x [T, H] of each sequence s; sequences do not depend on each other.
  template <executor E, class Body>
  static void pool(const E& e, const encoded& in, const Body& body) noexcept {
    const auto starts = in.batch.starts();
    e.parallel_for(in.batch.sequences(),
                   [&](std::size_t s) { body(s, in.hidden.block(starts[s], starts[s + 1] - starts[s])); });
  }
};

}  // namespace bert::heads

#endif  // BERT_HEADS_EMBEDDING_HPP
