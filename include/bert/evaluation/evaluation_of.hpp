// The trait by which bert::evaluate scores each kind of head.
// Layer: evaluation. Test: tests/unit/evaluation/evaluate_test.cpp, tests/unit/guide/own_token_head_test.cpp
#ifndef BERT_EVALUATION_EVALUATION_OF_HPP
#define BERT_EVALUATION_EVALUATION_OF_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/heads/classify.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/heads/regress.hpp"
#include "bert/heads/tag.hpp"
#include "bert/kernels/rows/softmax.hpp"
#include "bert/labels/label_set.hpp"
#include "bert/metrics/classification.hpp"
#include "bert/metrics/entities.hpp"
#include "bert/metrics/regression.hpp"
#include "bert/objectives/joined_pieces.hpp"
#include "bert/objectives/objective.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA {

/// How bert::evaluate scores a head. Classifiers, regressors and taggers (heads/predicts.hpp) have one. Specialize it for any
/// other head of your own:
///
///     template <>
///     struct bert::evaluation_of<my_head> {
///       using needs = bert::target_list<bert::target::value>;                       // of the source
///       static my_report report(const std::vector<std::string>& labels);            // an empty one; the model's label names
///       static void add(my_report&, bert::matrix<const float> output, const bert::training_batch&);
///     };
///
/// `output` has all rows of the head's output for the batch. `add` is called for each batch, in the order of the source. It may
/// have a fourth argument, `const auto& packed`: the head's packed weights.
template <class Head>
struct evaluation_of;

namespace detail {

template <class Head>
concept evaluated = requires {
  sizeof(evaluation_of<Head>);
};

/// -log softmax(row)[label], in f64.
[[nodiscard]] inline double row_loss(std::span<const float> row, std::size_t label) noexcept {
  return kernels::log_sum_exp(row) - static_cast<double>(row[label]);
}
/// Index of the largest element, the first of equal ones.
[[nodiscard]] inline std::int32_t best_of(std::span<const float> row) noexcept {
  return static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

/// An empty `Report<Labels>` with the names of the type, or with `names` where they are known only at run time.
template <template <class> class Report, class Labels>
[[nodiscard]] auto report_of(const std::vector<std::string>& names) {
  if constexpr (labels::static_label_set<Labels>) return Report<Labels>(Labels{});
  else return Report<Labels>(Labels(names));
}

}  // namespace detail

/// Confusion, accuracy, F1, loss and calibration. Sequences with a negative label are not counted.
template <heads::classifier Head>
struct evaluation_of<Head> {
  using needs = target_list<target::label>;

  static auto report(const std::vector<std::string>& labels) {
    return detail::report_of<metrics::report, typename Head::labels>(labels);
  }
  template <class Report>
  static void add(Report& report, matrix<const float> logits, const training_batch& batch) {
    objectives::check_labels(batch, logits.cols, "bert::evaluate");
    for (std::size_t s = 0; s < logits.rows; ++s) {
      if (batch.labels[s] < 0) continue;
      const std::int32_t best = detail::best_of(logits[s]);
      report.add(batch.labels[s], best);
      const double all = kernels::log_sum_exp(logits[s]);
      const auto z = [&](std::int32_t label) { return static_cast<double>(logits(s, static_cast<std::size_t>(label))); };
      report.add_loss(all - z(batch.labels[s]), 1);
      report.add_confidence(std::min(std::exp(z(best) - all), 1.0), best == batch.labels[s]);
    }
  }
};

/// Mean squared error and correlations.
template <heads::regressor Head>
struct evaluation_of<Head> {
  using needs = target_list<target::value>;

  static metrics::regression_report report(const std::vector<std::string>&) { return {}; }
  static void add(metrics::regression_report& report, matrix<const float> y, const training_batch& batch) {
    if (batch.values.size() != y.rows)
      throw_error(
          {"bert::evaluate", cat(y.rows, " values, one a sequence"), cat(batch.values.size()), "use a source of numbers"});
    for (std::size_t s = 0; s < y.rows; ++s) report.add(batch.values[s], y(s, 0));
  }
};

/// Entities, accuracy of tags, and loss, all over words: the tokens that begin a word and have a tag. The predicted tag is the
/// likeliest at that token, or of the mean of its logits and those of the joined pieces behind it. The sequences of one example
/// are windows of one sentence; each word has its tag in one of them.
template <heads::tagger Head>
struct evaluation_of<Head> {
  using needs = target_list<target::tag>;

  static auto report(const std::vector<std::string>& labels) {
    return detail::report_of<metrics::entity_report, typename Head::labels>(labels);
  }
  template <class Report>
  static void add(Report& report, matrix<const float> logits, const training_batch& batch) {
    objectives::check_tags(batch, logits.cols, "bert::evaluate");
    std::vector<std::int32_t> expected, predicted;
    std::vector<float> mean(logits.cols);
    for (std::size_t i = 0; i < batch.examples(); ++i) {
      expected.clear();
      predicted.clear();
      const std::size_t first = batch.groups.empty() ? i : batch.groups[i],
                        last = batch.groups.empty() ? i + 1 : batch.groups[i + 1];
      for (std::size_t n = batch.tokens.starts()[first]; n < batch.tokens.starts()[last]; ++n) {
        if (batch.tags[n] < 0 || (!batch.parts.empty() && batch.parts[n] != word_part::begins)) continue;
        objectives::mean_of_pieces(logits, n, objectives::joined_behind(batch.tags, n), mean.data());
        expected.push_back(batch.tags[n]);
        predicted.push_back(detail::best_of(mean));
        report.add_loss(detail::row_loss(mean, static_cast<std::size_t>(batch.tags[n])), 1);
      }
      report.add(expected, predicted);
    }
  }
};

}  // namespace bert

#endif  // BERT_EVALUATION_EVALUATION_OF_HPP
