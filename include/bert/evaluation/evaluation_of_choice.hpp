// How bert::evaluate scores a head that chooses among sequences.
// Layer: evaluation. Test: tests/unit/evaluation/choice_test.cpp
#ifndef BERT_EVALUATION_EVALUATION_OF_CHOICE_HPP
#define BERT_EVALUATION_EVALUATION_OF_CHOICE_HPP

#include <cstddef>
#include <string>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/evaluation/evaluation_of.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/metrics/choice.hpp"
#include "bert/objectives/choice.hpp"

namespace bert::inline BERT_ISA {

/// Accuracy and loss. Examples without a right choice are not counted.
template <heads::chooser Head>
struct evaluation_of<Head> {
  using needs = target_list<target::choice>;

  static metrics::choice_report report(const std::vector<std::string>&) { return {}; }
  static void add(metrics::choice_report& report, matrix<const float> y, const training_batch& batch) {
    std::vector<float> scores;
    for (std::size_t i = 0; i < batch.examples(); ++i) {
      const std::ptrdiff_t right = objectives::right_choice(batch, i, "bert::evaluate");
      if (right < 0) continue;
      scores.clear();
      for (std::size_t s = batch.groups[i]; s < batch.groups[i + 1]; ++s) scores.push_back(y(s, 0));
      report.add(detail::best_of(scores) == right, detail::row_loss(scores, static_cast<std::size_t>(right)));
    }
  }
};

}  // namespace bert

#endif  // BERT_EVALUATION_EVALUATION_OF_CHOICE_HPP
