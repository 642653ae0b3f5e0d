// The contrastive loss of a batch: each anchor's positive against all other positives and negatives.
// Layer: objectives. Test: tests/unit/objectives/on_vectors_test.cpp
// Papers: Henderson et al. 2017, "Efficient natural language response suggestion"; Gao et al. 2021, "SimCSE".
#ifndef BERT_OBJECTIVES_MULTIPLE_NEGATIVES_HPP
#define BERT_OBJECTIVES_MULTIPLE_NEGATIVES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/gemm/gemm.hpp"
#include "bert/kernels/loss/cross_entropy.hpp"
#include "bert/kernels/rows/elementwise.hpp"
#include "bert/objectives/on_vectors.hpp"
#include "bert/tensor/equal_sequences.hpp"

namespace bert::inline BERT_ISA::objectives {

/// loss = -mean_i log softmax_j(scale cos(a_i, c_j))[i],  c = p_1 … p_B, then all hard negatives
///
/// A group is an anchor a, its positive p and any number of hard negatives. With `symmetric`, the mean of that and of the same
/// over the anchors for each positive: softmax_i(scale cos(a_i, p_j))[j].
///
/// No text is a negative of itself: a candidate j other than i leaves the softmax of anchor i if its tokens are those of a_i or
/// of p_i, or if it is the positive of an anchor equal to a_i. The negatives are those of one batch: accumulated batches and
/// replicas each have their own (`cached_multiple_negatives` makes large batches).
struct multiple_negatives {
  using needs = target_list<target::group>;

  float scale = 20;  ///< 1 / temperature
  bool symmetric = false;

  struct work {
    work(const multiple_negatives&, const batch_shape& raw)
        : most(raw.sequences), by_anchor(raw.sequences), by_positive(raw.sequences), inverse(raw.sequences) {
      for (auto* indices : {&order, &numbers, &anchors, &candidates}) indices->resize(raw.sequences);
      targets.resize(raw.sequences);
      for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = static_cast<std::int32_t>(i);
    }
    std::size_t most;  ///< sequences
    prediction_buffers by_anchor, by_positive;
    buffer<float> inverse;
    std::vector<std::uint32_t> order, numbers, anchors, candidates;
    std::vector<std::int32_t> targets;
    detail::grown_buffer units, a, c, d_c, logits, transposed, packed;
  };

  /// What a resumed run must agree in; see trainer::keep.
  [[nodiscard]] named_facts fingerprint() const {
    return {{"scale", cat(scale)}, {"candidates", symmetric ? "of anchors and positives" : "of anchors"}};
  }

  static void check(const training_batch& in) {
    detail::check_groups(in, 2, static_cast<std::size_t>(-1), "bert::objectives::multiple_negatives");
  }
  [[nodiscard]] static std::uint64_t count(const training_batch& in) noexcept { return in.examples(); }

  template <class Model>
  static constexpr bool fits = detail::embeds<Model>;
  static constexpr bool rewrites = false;
  [[nodiscard]] static constexpr batch_shape capacity(const batch_shape& raw) noexcept { return detail::unscored(raw); }
  [[nodiscard]] static const token_batch& prepare(const training_batch& in, std::uint64_t, work&) {
    check(in);
    return in.tokens;
  }
  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) noexcept {
    return detail::loss_count(count(in));
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& share) const {
    return score_vectors(e, in, w, detail::vectors_of(t), share);
  }

  template <executor E>
  loss_terms score_vectors(const E& e, const training_batch& in, work& w, matrix<float> y, const loss_scale& share) const {
    list_rows(in, w);
    const std::size_t groups = in.examples(), others = y.rows - groups, d = y.cols, half = w.most / 2;
    const std::span<const std::uint32_t> anchors(w.anchors.data(), groups), candidates(w.candidates.data(), others);
    const matrix<float> units{w.units.at_least(w.most * d), y.rows, d}, a{w.a.at_least(half * d), groups, d},
        c{w.c.at_least(w.most * d), others, d}, d_c{w.d_c.at_least(w.most * d), others, d};
    // B (S - B) logits, the most for B = S / 2, as a group has two sequences or more.
    const matrix<float> z{w.logits.at_least(half * (w.most - half)), groups, others};
    float* const packed = w.packed.at_least(std::max(kernels::packed_size(d, w.most), kernels::packed_size(w.most, d)));
    const std::span<float> all_of_a(a.data, groups * d);

    kernels::unit_rows(e, y, units, w.inverse.data());
    kernels::gather_rows(e, units, anchors, a);
    kernels::gather_rows(e, units, candidates, c);
    kernels::scale(e, all_of_a, scale);
    kernels::gemm(e, a, kernels::pack_transposed(e, c, packed), kernels::epilogue::store{z});
    exclude_equal_texts(in, w, z);
    const loss_term term = cross_entropies(e, w, z, share);

    // z is now its gradient. The rows of a are scale times unit vectors: d_c = d_z^T a, d_units = scale d_z c.
    kernels::gemm_transposed(e, z, kernels::pack(e, a, packed), kernels::epilogue::store{d_c});
    kernels::gemm(e, z, kernels::pack(e, c, packed), kernels::epilogue::store{a});
    kernels::scale(e, all_of_a, scale);
    kernels::scatter_rows(e, a, anchors, y);
    kernels::scatter_rows(e, d_c, candidates, y);
    kernels::unit_rows_backward(e, units, w.inverse.data(), y);
    loss_terms terms;
    terms.add(term);
    return terms;
  }

 private:
  /// Lists the anchors, and the candidates: all positives, then the negatives of each group in order.
  static void list_rows(const training_batch& in, work& w) noexcept {
    std::size_t next = in.examples();
    for (std::size_t g = 0; g < in.examples(); ++g) {
      const std::size_t first = in.groups[g];
      w.anchors[g] = static_cast<std::uint32_t>(first);
      w.candidates[g] = static_cast<std::uint32_t>(first + 1);
      for (std::size_t s = first + 2; s < in.groups[g + 1]; ++s) w.candidates[next++] = static_cast<std::uint32_t>(s);
    }
  }

  static void exclude_equal_texts(const training_batch& in, work& w, matrix<float> z) {
    const std::size_t sequences = in.tokens.sequences();
    const std::span<std::uint32_t> text(w.numbers.data(), sequences);
    const std::size_t different =
        number_equal_sequences([&](std::size_t s) { return in.tokens[s]; }, {w.order.data(), sequences}, text);
    if (different == sequences) return;
    for (std::size_t i = 0; i < z.rows; ++i) {
      const std::uint32_t anchor = text[w.anchors[i]], positive = text[w.candidates[i]];
      for (std::size_t j = 0; j < z.cols; ++j) {
        const std::uint32_t other = text[w.candidates[j]];
        const bool equal = other == positive || other == anchor || (j < z.rows && text[w.anchors[j]] == anchor);
        if (j != i && equal) z(i, j) = std::numeric_limits<float>::lowest();
      }
    }
  }

  /// Replaces the logits by their gradient.
  template <executor E>
  loss_term cross_entropies(const E& e, work& w, matrix<float> z, const loss_scale& share) const {
    const std::span<const std::int32_t> targets(w.targets.data(), z.rows);
    if (!symmetric) return mean_cross_entropy(e, "loss", z, targets, share, w.by_anchor);
    const std::size_t half = w.most / 2;
    const matrix<float> across{w.transposed.at_least(half * half), z.rows, z.rows};
    for (std::size_t i = 0; i < z.rows; ++i)
      for (std::size_t j = 0; j < z.rows; ++j) across(j, i) = z(i, j);
    loss_term term = mean_cross_entropy(e, "loss", z, targets, share.times(0.5f), w.by_anchor);
    term.sum = 0.5 * (term.sum + mean_cross_entropy(e, "loss", across, targets, share.times(0.5f), w.by_positive).sum);
    for (std::size_t i = 0; i < z.rows; ++i)
      for (std::size_t j = 0; j < z.rows; ++j) z(i, j) += across(j, i);
    return term;
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_MULTIPLE_NEGATIVES_HPP
