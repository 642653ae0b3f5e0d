// The divergence of a student's logits from its teacher's, for each kind of logits.
// Layer: objectives. Test: tests/unit/objectives/distil/distil_test.cpp
// Paper: Hinton et al. 2015, "Distilling the knowledge in a neural network".
#ifndef BERT_OBJECTIVES_DISTIL_SOFT_LABELS_HPP
#define BERT_OBJECTIVES_DISTIL_SOFT_LABELS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/loss/row_distances.hpp"
#include "bert/kernels/loss/soft_labels.hpp"
#include "bert/objectives/distil/teacher.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA::objectives::detail {

/// Buffers for soft labels of any kind.
struct soft_work {
  explicit soft_work(const batch_shape& raw) : shape(raw), losses(std::max(raw.sequences, raw.tokens)) {}

  /// A copy of the logits, which the hard loss overwrites. Allocates in the first step alone.
  [[nodiscard]] matrix<const float> save(matrix<const float> z, std::size_t most_rows) {
    if (kept.size() < most_rows * z.cols) kept.resize(most_rows * z.cols);
    for (std::size_t m = 0; m < z.rows; ++m) std::copy_n(z.row(m), z.cols, kept.data() + m * z.cols);
    return {kept.data(), z.rows, z.cols};
  }

  batch_shape shape;
  buffer<float> losses;
  std::vector<float> kept, columns;
};

/// The number of soft labels of a batch.
template <soft_kind Kind>
[[nodiscard]] std::uint64_t soft_count(const training_batch& in, const token_batch& tokens) noexcept {
  if constexpr (Kind == soft_kind::pieces) return tokens.scored().size();
  else if constexpr (Kind == soft_kind::tags) return in.tags.empty() ? tokens.tokens() : counted(in.tags);
  else return Kind == soft_kind::none ? 0 : tokens.sequences();
}

/// The mean over all soft labels of the loss below; writes or adds its gradient, times `scale`, to `d`. `z` are the student's
/// logits, which may be `d` if it is written, `u` the teacher's. Throws bert::error unless they have one shape.
///
///     classes, pieces   T^2 KL(softmax(u / T) || softmax(z / T)) of a sequence, or of a scored position
///     tags              the same of a token; of those with a tag, if the batch has tags
///     span              the same over the tokens of a sequence, the mean of its first and its last token
///     decisions         the mean over labels of T^2 KL(sigmoid(u / T) || sigmoid(z / T)) of a sequence
///     value             (z - u)^2 of a sequence
template <soft_kind Kind, executor E>
[[nodiscard]] loss_term score_soft(const E& e, const training_batch& in, const token_batch& tokens, matrix<const float> z,
                                   matrix<const float> u, float temperature, matrix<float> d, const loss_scale& scale,
                                   gradients how, soft_work& w) {
  if (z.rows != u.rows || z.cols != u.cols)
    throw_error({"bert::objectives::distil", cat("a teacher's logits of the student's shape, ", z.rows, " by ", z.cols),
                 cat(u.rows, " by ", u.cols), "teach with the same labels or vocabulary, on the same batches"});
  loss_term term{.name = "soft", .count = soft_count<Kind>(in, tokens)};
  const float share = scale.of("soft", term.count);
  double parts = 1;
  std::size_t rows = z.rows;
  if constexpr (Kind == soft_kind::value) {
    kernels::squared_distance(e, z, u, w.losses.data(), d, share, how);
  } else if constexpr (Kind == soft_kind::decisions) {
    parts = static_cast<double>(z.cols);
    kernels::soft_decisions(e, z, u, temperature, w.losses.data(), d, share / static_cast<float>(z.cols), how);
  } else if constexpr (Kind == soft_kind::span) {
    rows = tokens.sequences();
    if (w.columns.size() < 6 * w.shape.tokens) w.columns.resize(6 * w.shape.tokens);
    kernels::soft_spans(e, z, u, tokens.starts(), temperature, w.losses.data(), d, share, how, w.columns.data());
  } else {
    const bool by_tags = Kind == soft_kind::tags && !in.tags.empty();
    kernels::soft_labels(e, z, u, by_tags ? std::span<const std::int32_t>(in.tags) : std::span<const std::int32_t>{},
                         temperature, w.losses.data(), d, share, how);
  }
  for (std::size_t m = 0; m < rows; ++m) term.sum += static_cast<double>(w.losses[m]) / parts;
  return term;
}

}  // namespace bert::objectives::detail

#endif  // BERT_OBJECTIVES_DISTIL_SOFT_LABELS_HPP
