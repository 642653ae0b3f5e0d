// The squared error of score differences: a reranker learns a teacher's margins.
// Layer: objectives. Test: tests/unit/objectives/rerankers_test.cpp
// Paper: Hofstätter et al. 2020, "Improving efficient neural ranking models with cross-architecture knowledge distillation".
#ifndef BERT_OBJECTIVES_MARGIN_MSE_HPP
#define BERT_OBJECTIVES_MARGIN_MSE_HPP

#include <cstddef>

#include "bert/core/isa.hpp"
#include "bert/objectives/on_vectors.hpp"
#include "bert/objectives/value_loss.hpp"

namespace bert::inline BERT_ISA::objectives {

/// loss = mean over a group's others n of ((z_p - z_n) - (v_p - v_n))^2,  p the group's first sequence
///
/// A group is a query with its positive, then the same query with each negative, each pair one sequence; v are the teacher's
/// scores, z the outputs of the head that predicts a value.
struct margin_mse : detail::per_sequence<detail::is_regression> {
  using needs = target_list<target::group, target::value>;

  [[nodiscard]] static const token_batch& prepare(const training_batch& in, std::uint64_t, work&) {
    detail::check_groups(in, 2, static_cast<std::size_t>(-1), "bert::objectives::margin_mse");
    detail::check_values(in, "bert::objectives::margin_mse");
    return in.tokens;
  }
  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) noexcept {
    loss_terms terms;
    terms.add({.name = "loss", .count = in.tokens.sequences() - in.examples()});
    return terms;
  }
  /// Scores the outputs z [S, 1] of any head; objectives::on names one.
  template <executor E>
  loss_terms score_rows(const E&, const training_batch& in, work&, matrix<float> z, const loss_scale& scale) const {
    return score_logits(in, z, scale);
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    return score_rows(e, in, w, logits(t), scale);
  }
  /// The same of outputs z [S, 1], which become their gradient.
  static loss_terms score_logits(const training_batch& in, matrix<float> z, const loss_scale& scale) {
    loss_term term{.name = "loss", .count = in.tokens.sequences() - in.examples()};
    for (std::size_t g = 0; g < in.examples(); ++g) {
      const std::size_t p = in.groups[g];
      const auto positive = static_cast<double>(z(p, 0)), value = static_cast<double>(in.values[p]);
      double d_positive = 0;
      for (std::size_t n = p + 1; n < in.groups[g + 1]; ++n) {
        const double margin = positive - static_cast<double>(z(n, 0)),
                     error = margin - (value - static_cast<double>(in.values[n]));
        term.sum += error * error;
        term.correct += margin > 0 ? 1 : 0;
        d_positive += 2 * error;
        z(n, 0) = scale.share("loss", term.count, static_cast<float>(-2 * error));
      }
      z(p, 0) = scale.share("loss", term.count, static_cast<float>(d_positive));
    }
    loss_terms terms;
    terms.add(term);
    return terms;
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_MARGIN_MSE_HPP
