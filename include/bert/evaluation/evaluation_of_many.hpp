// How bert::evaluate scores a classifier of several labels a text.
// Layer: evaluation. Test: tests/unit/evaluation/many_test.cpp
#ifndef BERT_EVALUATION_EVALUATION_OF_MANY_HPP
#define BERT_EVALUATION_EVALUATION_OF_MANY_HPP

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/evaluation/evaluation_of.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/metrics/many.hpp"

namespace bert::inline BERT_ISA {

/// Probabilities of all labels, the F1 of each, and the mean loss of the decisions. Labels of unknown truth are not counted.
template <heads::many_classifier Head>
struct evaluation_of<Head> {
  using needs = target_list<target::many>;

  static auto report(const std::vector<std::string>& labels) {
    return detail::report_of<metrics::many_report, typename Head::labels>(labels);
  }
  template <class Report>
  static void add(Report& report, matrix<const float> logits, const training_batch& batch) {
    if (batch.values.size() != logits.rows * logits.cols || batch.width != logits.cols)
      throw_error({"bert::evaluate", cat(logits.cols, " values a sequence, one a label"),
                   cat(batch.values.size(), " for ", logits.rows, " sequences"), "use a source of texts with several labels"});
    std::vector<float> probabilities(logits.cols);
    const matrix<const float> applies{batch.values.data(), logits.rows, logits.cols};
    for (std::size_t s = 0; s < logits.rows; ++s) {
      for (std::size_t l = 0; l < logits.cols; ++l) {
        const double z = static_cast<double>(logits(s, l)), y = static_cast<double>(applies(s, l));
        const double near = std::log1p(std::exp(-std::abs(z)));  // -log sigmoid(|z|)
        if (y >= 0) report.add_loss(y * (std::max(0.0, -z) + near) + (1 - y) * (std::max(0.0, z) + near), 1);
        probabilities[l] = static_cast<float>(1 / (1 + std::exp(-z)));
      }
      report.add(probabilities, applies[s]);
    }
  }
};

}  // namespace bert

#endif  // BERT_EVALUATION_EVALUATION_OF_MANY_HPP
