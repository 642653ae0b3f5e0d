// The cross-entropy of yes-or-no decisions: of a classifier of several labels a text, or of one score a sequence.
// Layer: objectives. Test: tests/unit/objectives/binary_cross_entropy_test.cpp
#ifndef BERT_OBJECTIVES_BINARY_CROSS_ENTROPY_HPP
#define BERT_OBJECTIVES_BINARY_CROSS_ENTROPY_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/kernels/loss/binary_cross_entropy.hpp"
#include "bert/objectives/per_sequence.hpp"

namespace bert::inline BERT_ISA::objectives {

namespace detail {
template <class Head>
struct is_binary : std::bool_constant<heads::many_classifier<Head> || heads::regressor<Head>> {};
}  // namespace detail

/// loss = mean over sequences s and labels l of -(w_l y log p + (1 - y) log(1 - p)),  p = sigmoid(logits[s,l]),
/// y = values[s,l], of the model's first head of several labels, or of one value (a reranker, say: L = 1)
///
/// PyTorch's BCEWithLogitsLoss(pos_weight). y may be any number from 0 to 1; below 0 the label is not counted. Throws
/// bert::error unless there is one value a label, none above 1, and no positive weight or one a label, finite and not negative.
struct binary_cross_entropy {
  using needs = target_list<target::value>;

  std::vector<float> positive_weights = {};  ///< w, one a label; empty: all 1

  struct work : prediction_buffers {
    work(const binary_cross_entropy& o, const batch_shape& raw) : prediction_buffers(raw.sequences) {
      const auto right = [](float x) { return std::isfinite(x) && x >= 0; };
      if (const auto wrong = std::find_if_not(o.positive_weights.begin(), o.positive_weights.end(), right);
          wrong != o.positive_weights.end())
        throw_error({where, ".positive_weights that are finite and not negative", cat(*wrong), {}});
    }
  };
  // As detail::per_sequence has them; not derived from it, so that fields are initialized by name without a warning.
  using found = detail::per_sequence<detail::is_binary>;
  template <class Model>
  static constexpr bool fits = found::template fits<Model>;
  static constexpr bool rewrites = false;
  [[nodiscard]] static constexpr batch_shape capacity(const batch_shape& raw) noexcept { return found::capacity(raw); }
  [[nodiscard]] static const token_batch& prepare(const training_batch& in, std::uint64_t, work&) noexcept { return in.tokens; }
  template <class Model>
  [[nodiscard]] static matrix<float> logits(tape<Model>& t) noexcept {
    return found::logits(t);
  }
  [[nodiscard]] named_facts fingerprint() const {
    if (positive_weights.empty()) return {};
    hash64 weights;
    for (const float w : positive_weights) weights.add(cat(w));
    return {{"positive weights", weights.text()}};
  }

  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) {
    loss_terms terms;
    terms.add({.name = "loss", .count = known(in)});
    return terms;
  }
  /// Scores the logits [S, L] of any head; objectives::on names one.
  template <executor E>
  loss_terms score_rows(const E& e, const training_batch& in, work& w, matrix<float> z, const loss_scale& scale) const {
    check(in, z);
    loss_term term{.name = "loss", .count = known(in)};
    const matrix<const float> y{in.values.data(), z.rows, z.cols};
    for (std::size_t s = 0; s < z.rows; ++s)
      for (std::size_t l = 0; l < z.cols; ++l) term.correct += y(s, l) >= 0 && (z(s, l) >= 0) == (y(s, l) >= 0.5f) ? 1 : 0;
    kernels::binary_cross_entropy(e, z, y, positive_weights, w.losses.data(), z, scale.of(term));
    for (std::size_t s = 0; s < z.rows; ++s) term.sum += static_cast<double>(w.losses[s]);
    loss_terms terms;
    terms.add(term);
    return terms;
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    return score_rows(e, in, w, logits(t), scale);
  }

 private:
  static constexpr const char* where = "bert::objectives::binary_cross_entropy";

  [[nodiscard]] static std::uint64_t known(const training_batch& in) noexcept {
    return static_cast<std::uint64_t>(std::count_if(in.values.begin(), in.values.end(), [](float y) { return y >= 0; }));
  }
  void check(const training_batch& in, matrix<const float> z) const {
    if (in.values.size() != z.rows * z.cols || in.width != z.cols)
      throw_error({where, cat(z.cols, " values a sequence, one a label"), cat(in.values.size(), " for ", z.rows, " sequences"),
                   "use a source of texts with several labels"});
    if (!positive_weights.empty() && positive_weights.size() != z.cols)
      throw_error({where, cat(z.cols, " .positive_weights, one a label"), cat(positive_weights.size()), {}});
    for (const float y : in.values)
      if (!(y <= 1)) throw_error({where, "values of 0 to 1, or below 0 where unknown", cat(y), {}});
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_BINARY_CROSS_ENTROPY_HPP
