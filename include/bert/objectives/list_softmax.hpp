// The cross-entropy of a list of documents: ListNet, for rerankers.
// Layer: objectives. Test: tests/unit/objectives/rerankers_test.cpp
// Paper: Cao et al. 2007, "Learning to rank: from pairwise approach to listwise approach".
#ifndef BERT_OBJECTIVES_LIST_SOFTMAX_HPP
#define BERT_OBJECTIVES_LIST_SOFTMAX_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "bert/core/isa.hpp"
#include "bert/objectives/on_vectors.hpp"
#include "bert/objectives/value_loss.hpp"

namespace bert::inline BERT_ISA::objectives {

/// loss = -mean_g sum_s q_s log softmax(z)_s,  q = softmax(v);  s over the sequences of group g
///
/// A group is a query with each of its documents, each pair one sequence; v are the documents' relevances, z the outputs of the
/// head that predicts a value. Groups of one sequence have no loss.
struct list_softmax : detail::per_sequence<detail::is_regression> {
  using needs = target_list<target::group, target::value>;

  [[nodiscard]] static const token_batch& prepare(const training_batch& in, std::uint64_t, work&) {
    detail::check_groups(in, 1, static_cast<std::size_t>(-1), "bert::objectives::list_softmax");
    detail::check_values(in, "bert::objectives::list_softmax");
    return in.tokens;
  }
  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) noexcept {
    loss_terms terms;
    terms.add({.name = "loss", .count = in.examples()});
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
    loss_term term{.name = "loss", .count = in.examples()};
    for (std::size_t g = 0; g < in.examples(); ++g) {
      const std::size_t first = in.groups.empty() ? g : in.groups[g], last = in.groups.empty() ? g + 1 : in.groups[g + 1];
      const auto output = [&](std::size_t s) { return z(s, 0); };
      const auto value = [&](std::size_t s) { return in.values[s]; };
      const double log_z = log_sum(first, last, output), log_v = log_sum(first, last, value);
      std::size_t best_z = first, best_v = first;
      for (std::size_t s = first; s < last; ++s) {
        if (output(s) > output(best_z)) best_z = s;
        if (value(s) > value(best_v)) best_v = s;
      }
      term.correct += value(best_z) == value(best_v) ? 1 : 0;
      for (std::size_t s = first; s < last; ++s) {
        const double log_p = static_cast<double>(output(s)) - log_z, q = std::exp(static_cast<double>(value(s)) - log_v);
        term.sum -= q * log_p;
        z(s, 0) = scale.share("loss", term.count, static_cast<float>(std::exp(log_p) - q));
      }
    }
    loss_terms terms;
    terms.add(term);
    return terms;
  }

 private:
  /// log sum_s exp(x(s)), s from `first` to `last` - 1
  template <class Numbers>
  static double log_sum(std::size_t first, std::size_t last, const Numbers& x) noexcept {
    double most = static_cast<double>(x(first)), sum = 0;
    for (std::size_t s = first; s < last; ++s) most = std::max(most, static_cast<double>(x(s)));
    for (std::size_t s = first; s < last; ++s) sum += std::exp(static_cast<double>(x(s)) - most);
    return std::log(sum) + most;
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_LIST_SOFTMAX_HPP
