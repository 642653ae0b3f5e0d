// Losses of a number a sequence: what the objectives of a regression share.
// Layer: objectives. Test: tests/unit/objectives/value_loss_test.cpp
#ifndef BERT_OBJECTIVES_VALUE_LOSS_HPP
#define BERT_OBJECTIVES_VALUE_LOSS_HPP

#include <cmath>
#include <cstddef>
#include <type_traits>

#include "bert/core/isa.hpp"
#include "bert/heads/regress.hpp"
#include "bert/objectives/per_sequence.hpp"

namespace bert::inline BERT_ISA::objectives {

namespace detail {

template <class Head>
struct is_regression : std::bool_constant<heads::regressor<Head>> {};

/// The loss of one value, and its slope.
struct value_slope {
  double loss = 0;
  float slope = 0;
};

/// loss = mean_s L(y[s] - value_s);  loss_of(y[s] - value_s) gives the loss of one value and its slope
///
/// Replaces y [S, 1] by its gradient. Throws bert::error, from `where`, unless the batch has one value a sequence.
template <class LossOf>
[[nodiscard]] loss_terms score_values(const training_batch& in, matrix<float> y, const loss_scale& scale, const char* where,
                                      const LossOf& loss_of) {
  if (in.values.size() != y.rows) throw_error({where, cat(y.rows, " values, one a sequence"), cat(in.values.size()), {}});
  loss_term term{.name = "loss", .count = y.rows};
  for (std::size_t s = 0; s < y.rows; ++s) {
    const value_slope found = loss_of(y(s, 0) - in.values[s]);
    term.sum += found.loss;
    y(s, 0) = scale.share("loss", y.rows, found.slope);
  }
  loss_terms terms;
  terms.add(term);
  return terms;
}

/// Base of the objectives of a regression without options; `Loss` has `where` and `loss_of(difference)`.
template <class Loss>
struct value_loss : per_sequence<is_regression> {
  using needs = target_list<target::value>;

  [[nodiscard]] static loss_terms counts(const training_batch& in, const per_sequence<is_regression>::work&) {
    loss_terms terms;
    terms.add({.name = "loss", .count = in.values.size()});
    return terms;
  }
  /// Scores the values y [S, 1] of any head; objectives::on names one.
  template <executor E>
  loss_terms score_rows(const E&, const training_batch& in, per_sequence<is_regression>::work&, matrix<float> y,
                        const loss_scale& scale) const {
    return score_values(in, y, scale, Loss::where, Loss::loss_of);
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, per_sequence<is_regression>::work& w, tape<Model>& t,
                   const loss_scale& scale) const {
    return score_rows(e, in, w, this->logits(t), scale);
  }
};

}  // namespace detail

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_VALUE_LOSS_HPP
