// A vector per sequence, pooled from its hidden states: sentence embeddings, trained and served by one head.
// Layer: heads. Test: tests/unit/heads/embedding_test.cpp. Paper: Reimers and Gurevych 2019, "Sentence-BERT", 3.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <span>

#include "bert/core/isa.hpp"
#include "bert/heads/pooling.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/heads/without_tensors.hpp"
#include "bert/kernels/rows/unit_rows.hpp"
#include "bert/model/tape.hpp"

namespace bert::inline BERT_ISA::heads {

/// What becomes of a pooled vector: `unit_length` divides it by its length, as sentence-transformers' Normalize does;
/// `as_pooled` leaves it.
struct unit_length {};
struct as_pooled {};

template <class N>
concept normalization = std::same_as<N, unit_length> || std::same_as<N, as_pooled>;

/// y[s,:] = p / max(|p|, 1e-12),  p = Pooling(hidden states of sequence s);  y [S, H]
///
///     using bi_encoder = bert::model<bert::arch::minilm_l6, bert::heads::embedding<bert::pooling::mean>>;
///
/// A head without tensors. Its output has the bits of bert::embedder's vectors. bert::save writes modules.json and
/// 1_Pooling/config.json beside the weights of a model whose first head it is.
template <pooling_policy Pooling = pooling::mean, normalization Normalize = unit_length>
struct embedding : without_tensors {
  using predicts = target::embedding;
  using pooling_type = Pooling;
  static constexpr bool normalizes = std::same_as<Normalize, unit_length>;
  static constexpr bool reads_pooler = false;
  static constexpr bool reads_all_rows = !std::same_as<Pooling, pooling::cls>;
  static constexpr output_rows rows = output_rows::sequences;

  /// Buffers of a session; `output()` is [sequences, hidden].
  template <class A>
  class workspace {
   public:
    constexpr workspace(carver& c, const batch_shape& s, const open_sizes&) noexcept
        : vectors_(c.take(s.sequences * A::hidden)) {}

    template <executor E>
    void run(const E& e, const packed<A>&, const encoded& in) noexcept {
      rows_ = in.batch.sequences();
      pool(e, in, [&](std::size_t s, matrix<const float> x) {
        const std::span<float> y(vectors_ + s * A::hidden, A::hidden);
        Pooling::pool(x, y);
        if constexpr (normalizes) to_unit_length(y);
      });
    }
    [[nodiscard]] auto output() const noexcept { return view<const float, dynamic, A::hidden>(vectors_, rows_); }

   private:
    std::size_t rows_ = 0;
    float* vectors_;
  };

  /// Buffers of a training step. The objective overwrites `vectors()` [S, H] by its gradient before `backward`.
  template <class A>
  class tape {
    static_assert(ensure<trained_pooling_policy<Pooling>, facts<Pooling>>,
                  "bert::heads::embedding: to train it, its pooling needs static backward(x, y, d_y, d_x) noexcept; "
                  "heads/pooling.hpp shows them");

   public:
    static constexpr std::size_t h = A::hidden;

    constexpr tape(carver& c, const batch_shape& s, const open_sizes&) noexcept
        : pooled_(c.take(s.sequences * h)),
          unit_(c.take(normalizes ? s.sequences * h : 0)),
          inverse_(c.take(normalizes ? s.sequences : 0)),
          vectors_(c.take(s.sequences * h)) {}

    [[nodiscard]] matrix<float> vectors() const noexcept { return {vectors_, rows_, h}; }

    template <executor E>
    void forward(const E& e, const module_parameters<const float>&, const encoded& in, const step_noise&) noexcept {
      rows_ = in.batch.sequences();
      pool(e, in, [&](std::size_t s, matrix<const float> x) {
        const std::span<float> y(vectors_ + s * h, h);
        Pooling::pool(x, y);
        std::copy_n(y.data(), h, pooled_ + s * h);
        if constexpr (normalizes) {
          inverse_[s] = to_unit_length(y);
          std::copy_n(y.data(), h, unit_ + s * h);
        }
      });
    }

    template <executor E>
    void backward(const E& e, const module_parameters<const float>&, const module_parameters<float>&, const encoded& in,
                  matrix<float> d_hidden, matrix<float>, const step_noise&) noexcept {
      if constexpr (normalizes) kernels::unit_rows_backward(e, matrix<const float>{unit_, rows_, h}, inverse_, vectors());
      pool(e, in, [&](std::size_t s, matrix<const float> x) {
        const std::span<const float> y(pooled_ + s * h, h), d_y(vectors_ + s * h, h);
        Pooling::backward(x, y, d_y, d_hidden.block(in.batch.starts()[s], x.rows));
      });
    }

   private:
    std::size_t rows_ = 0;
    float *pooled_, *unit_, *inverse_, *vectors_;
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
