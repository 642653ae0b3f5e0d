// What the objectives on sentence vectors share: their head, their buffers, checks of groups and scores.
// Layer: objectives. Test: tests/unit/objectives/on_vectors_test.cpp
#ifndef BERT_OBJECTIVES_ON_VECTORS_HPP
#define BERT_OBJECTIVES_ON_VECTORS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/heads/embedding.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/kernels/rows/unit_rows.hpp"
#include "bert/objectives/objective.hpp"
#include "bert/objectives/per_sequence.hpp"

namespace bert::inline BERT_ISA::objectives {

namespace detail {

template <class Head>
struct is_embedding : std::bool_constant<heads::predicts<Head, target::embedding>> {};

/// Memory that grows: allocates only if it is asked for more than ever before.
class grown_buffer {
 public:
  [[nodiscard]] float* at_least(std::size_t floats) {
    if (floats > memory_.size()) memory_ = buffer<float>(floats);
    return memory_.data();
  }

 private:
  buffer<float> memory_;
};

// A loss on vectors is an objective whose `score` reads the vectors alone. It has
//
//     static void check(const training_batch&);             // throws unless the batch has its groups and targets
//     static std::uint64_t count(const training_batch&);    // predictions
//     loss_terms score_vectors(executor, batch, work, matrix<float> y, const loss_scale&) const;   // y [S, D] becomes d_y
//
// so that `matryoshka` and `cached` can call it on vectors of their own. The functions below are the rest, the same in each; no
// base class has them, as g++ 12 warns of one in `multiple_negatives{.scale = 20}`.

/// Whether a model has a head that embeds.
template <class Model>
inline constexpr bool embeds = !std::is_void_v<typename head_where<is_embedding, Model>::type>;

/// The vectors of the model's first such head, which a loss replaces by their gradient.
template <class Model>
[[nodiscard]] matrix<float> vectors_of(tape<Model>& t) noexcept {
  return t.template head<typename head_where<is_embedding, Model>::type>().vectors();
}
template <class Model, activation_policy Activations>
[[nodiscard]] matrix<float> vectors_of(tape<Model, Activations>& t) noexcept {
  return vectors_of(static_cast<tape<Model>&>(t));
}

[[nodiscard]] constexpr batch_shape unscored(batch_shape raw) noexcept {
  raw.scored = 0;
  return raw;
}
[[nodiscard]] inline loss_terms loss_count(std::uint64_t count) noexcept {
  loss_terms terms;
  terms.add({.name = "loss", .count = count});
  return terms;
}

/// Throws unless every example of the batch is a group of `least` to `most` sequences.
inline void check_groups(const training_batch& in, std::size_t least, std::size_t most, const char* where) {
  for (std::size_t g = 0; g < in.examples(); ++g) {
    const std::size_t sequences = in.groups.empty() ? 1 : in.groups[g + 1] - in.groups[g];
    if (sequences < least || sequences > most)
      throw_error({cat(where, ", example ", g),
                   least == most ? cat(least, " sequences") : cat("a group of ", least, " sequences or more"), cat(sequences),
                   "use a source of pairs or triplets, as data::pairs and data::triplets give"});
  }
}

/// Throws unless the batch has one value a sequence.
inline void check_values(const training_batch& in, const char* where) {
  if (in.width != 1 || in.values.size() != in.tokens.sequences())
    throw_error({where, cat(in.tokens.sequences(), " values, one a sequence"), cat(in.values.size()),
                 "use a source of scored pairs, as data::scored_pairs gives"});
}

/// The unit vectors of pairs and their cosines, for losses that read nothing else.
class pair_cosines {
 public:
  explicit pair_cosines(std::size_t sequences) : inverse_(sequences), scores_(sequences), gradients_(sequences) {}

  /// s[g] = cos(y[first of g,:], y[second of g,:]); returns s [G].
  template <executor E>
  std::span<double> forward(const E& e, const training_batch& in, matrix<const float> y) {
    unit(e, y);
    const std::size_t pairs = in.examples();
    kernels::for_each_row(e, pairs, 2 * y.cols, [&](std::size_t g) {
      const std::size_t a = in.groups[g];
      scores_[g] = static_cast<double>(kernels::dot_product(units_.row(a), units_.row(a + 1), y.cols));
    });
    return {scores_.data(), pairs};
  }
  /// Writes to `d` [S, D] the gradient with respect to y, given that with respect to each score.
  template <executor E>
  void backward(const E& e, const training_batch& in, std::span<const float> d_scores, matrix<float> d) const noexcept {
    kernels::for_each_row(e, in.examples(), 2 * d.cols, [&](std::size_t g) {
      const std::size_t a = in.groups[g];
      for (const std::size_t side : {std::size_t{0}, std::size_t{1}}) {
        std::fill_n(d.row(a + side), d.cols, 0.0f);
        kernels::add_scaled(d_scores[g], units_.row(a + 1 - side), d.row(a + side), d.cols);
      }
    });
    kernels::unit_rows_backward(e, units_, inverse_.data(), d);
  }

  /// Computes the unit vectors of all rows of `y`.
  template <executor E>
  void unit(const E& e, matrix<const float> y) {
    units_ = {memory_.at_least(inverse_.size() * y.cols), y.rows, y.cols};
    kernels::unit_rows(e, y, units_, inverse_.data());
  }
  [[nodiscard]] matrix<float> units() const noexcept { return units_; }
  [[nodiscard]] const float* inverse() const noexcept { return inverse_.data(); }
  [[nodiscard]] std::span<double> scores(std::size_t pairs) noexcept { return {scores_.data(), pairs}; }
  [[nodiscard]] std::span<float> gradients(std::size_t pairs) noexcept { return {gradients_.data(), pairs}; }

 private:
  grown_buffer memory_;
  matrix<float> units_;
  buffer<float> inverse_;
  buffer<double> scores_;
  buffer<float> gradients_;
};

}  // namespace detail

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_ON_VECTORS_HPP
