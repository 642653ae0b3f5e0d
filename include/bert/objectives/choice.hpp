// The cross-entropy of a choice among the sequences of each example.
// Layer: objectives. Test: tests/unit/objectives/choice_test.cpp
#ifndef BERT_OBJECTIVES_CHOICE_HPP
#define BERT_OBJECTIVES_CHOICE_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/kernels/rows/softmax.hpp"
#include "bert/objectives/per_sequence.hpp"

namespace bert::inline BERT_ISA::objectives {

namespace detail {
template <class Head>
struct is_chooser : std::bool_constant<heads::chooser<Head>> {};
}  // namespace detail

/// The index of the right sequence of example `i`, counted from the example's first; -1 if it is not known. Throws bert::error
/// unless the batch has one label a sequence and at most one sequence of the example has 1.
[[nodiscard]] inline std::ptrdiff_t right_choice(const training_batch& in, std::size_t i, const char* where) {
  if (in.labels.size() != in.tokens.sequences() || in.groups.empty())
    throw_error({where, "groups, and one label a sequence", cat(in.labels.size(), " labels, ", in.examples(), " examples"),
                 "use a source of choices"});
  std::ptrdiff_t right = -1;
  for (std::size_t s = in.groups[i]; s < in.groups[i + 1]; ++s) {
    if (in.labels[s] != 1) continue;
    if (right >= 0) throw_error({where, "one right choice of an example", "two", "set the label of one sequence to 1"});
    right = static_cast<std::ptrdiff_t>(s - in.groups[i]);
  }
  return right;
}

/// loss = -mean_g log softmax(y[g])[right_g],  y[g] the scores of the sequences of example g
///
/// Examples without a right choice are not counted.
struct choice : detail::per_sequence<detail::is_chooser> {
  using needs = target_list<target::choice>;

  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) {
    loss_terms terms;
    terms.add({.name = "loss", .count = known(in)});
    return terms;
  }
  /// Scores the values y [S, 1] of any head; objectives::on names one.
  template <executor E>
  loss_terms score_rows(const E&, const training_batch& in, work&, matrix<float> y, const loss_scale& scale) const {
    loss_term term{.name = "loss", .count = known(in)};
    const float share = scale.of(term);
    for (std::size_t i = 0; i < in.examples(); ++i) {
      const std::ptrdiff_t right = right_choice(in, i, where);
      const std::span<float> scores(y.row(in.groups[i]), in.groups[i + 1] - in.groups[i]);
      if (right < 0) {
        std::fill(scores.begin(), scores.end(), 0.0f);
        continue;
      }
      const double all = kernels::log_sum_exp(scores);
      term.sum += all - static_cast<double>(scores[static_cast<std::size_t>(right)]);
      term.correct += std::max_element(scores.begin(), scores.end()) - scores.begin() == right ? 1 : 0;
      for (float& score : scores) score = share * static_cast<float>(std::exp(static_cast<double>(score) - all));
      scores[static_cast<std::size_t>(right)] -= share;
    }
    loss_terms terms;
    terms.add(term);
    return terms;
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    return score_rows(e, in, w, logits(t), scale);
  }

 private:
  static constexpr const char* where = "bert::objectives::choice";

  [[nodiscard]] static std::uint64_t known(const training_batch& in) {
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < in.examples(); ++i) n += right_choice(in, i, where) >= 0 ? 1 : 0;
    return n;
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_CHOICE_HPP
