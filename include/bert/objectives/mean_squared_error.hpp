// The squared error of a model's regression head.
// Layer: objectives. Test: tests/unit/objectives/joint_test.cpp. Paper: Devlin et al. 2019.
#pragma once

#include "bert/core/isa.hpp"
#include "bert/heads/regress.hpp"
#include "bert/objectives/per_sequence.hpp"

namespace bert::inline BERT_ISA::objectives {

namespace detail {
template <class Head>
struct is_regression : std::is_base_of<heads::regress, Head> {};
}  // namespace detail

/// loss = mean_s (y[s] - value_s)^2 of the model's regression head
struct mean_squared_error : detail::per_sequence<detail::is_regression> {
  using needs = target_list<target::value>;

  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) noexcept {
    loss_terms terms;
    terms.add({.name = "loss", .count = in.values.size()});
    return terms;
  }
  template <class Model, executor E>
  loss_terms score(const E&, const training_batch& in, work&, tape<Model>& t, const loss_scale& scale) const {
    const auto y = t.template head<head<Model>>().logits();
    if (in.values.size() != y.rows)
      throw error({"bert::objectives::mean_squared_error", cat(y.rows, " values, one a sequence"), cat(in.values.size()), {}});
    loss_term term{.name = "loss", .count = y.rows};
    for (std::size_t s = 0; s < y.rows; ++s) {
      const float difference = y(s, 0) - in.values[s];
      term.sum += static_cast<double>(difference) * static_cast<double>(difference);
      y(s, 0) = scale.share("loss", y.rows, 2.0f * difference);
    }
    loss_terms terms;
    terms.add(term);
    return terms;
  }
};

}  // namespace bert::objectives
