// The cross-entropy of one logit a sequence: a reranker's loss on labeled pairs.
// Layer: objectives. Test: tests/unit/objectives/rerankers_test.cpp. Paper: Nogueira and Cho 2019, "Passage re-ranking with
// BERT".
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>

#include "bert/core/isa.hpp"
#include "bert/heads/regress.hpp"
#include "bert/objectives/per_sequence.hpp"

namespace bert::inline BERT_ISA::objectives {

namespace detail {
template <class Head>
struct is_regressor : std::bool_constant<heads::regressor<Head>> {};
}  // namespace detail

/// loss = -mean_s (v log sigmoid(z) + (1 - v) log(1 - sigmoid(z))),  z the output of the head that predicts a value, v in [0,
/// 1]
struct binary_cross_entropy : detail::per_sequence<detail::is_regressor> {
  using needs = target_list<target::value>;

  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) noexcept {
    loss_terms terms;
    terms.add({.name = "loss", .count = in.values.size()});
    return terms;
  }
  template <class Model, executor E>
  loss_terms score(const E&, const training_batch& in, work&, tape<Model>& t, const loss_scale& scale) const {
    return score_logits(in, logits(t), scale);
  }
  /// The same of outputs z [S, 1], which become their gradient.
  static loss_terms score_logits(const training_batch& in, matrix<float> z, const loss_scale& scale) {
    if (in.width != 1 || in.values.size() != z.rows)
      throw error(
          {"bert::objectives::binary_cross_entropy", cat(z.rows, " values, one a sequence"), cat(in.values.size()), {}});
    loss_term term{.name = "loss", .count = z.rows};
    for (std::size_t s = 0; s < z.rows; ++s) {
      const auto x = static_cast<double>(z(s, 0)), v = static_cast<double>(in.values[s]);
      if (!(v >= 0 && v <= 1))
        throw error({cat("bert::objectives::binary_cross_entropy, sequence ", s), "a value from 0 to 1", cat(v), {}});
      term.sum += std::max(x, 0.0) - x * v + std::log1p(std::exp(-std::abs(x)));
      term.correct += (x > 0) == (v > 0.5) ? 1 : 0;
      z(s, 0) = scale.share("loss", z.rows, static_cast<float>(1 / (1 + std::exp(-x)) - v));
    }
    loss_terms terms;
    terms.add(term);
    return terms;
  }
};

}  // namespace bert::objectives
