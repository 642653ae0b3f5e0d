// How bert::evaluate scores a CRF: entities of the likeliest path, and the loss of a sentence.
// Layer: evaluation. Test: tests/unit/pipeline/crf_tagging_test.cpp
#ifndef BERT_EVALUATION_CRF_EVALUATION_HPP
#define BERT_EVALUATION_CRF_EVALUATION_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/evaluation/evaluation_of.hpp"
#include "bert/heads/crf.hpp"
#include "bert/heads/crf_paths.hpp"
#include "bert/labels/transitions.hpp"
#include "bert/metrics/entities.hpp"
#include "bert/objectives/negative_log_likelihood.hpp"
#include "bert/objectives/objective.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA {

/// Entities, accuracy of tags, and loss, over the words of objectives::negative_log_likelihood, decoded as a pipeline does. The
/// loss is -log p(tags), a mean over sentences. A sentence whose tags the constraints forbid, of probability 0, counts in
/// entities and accuracy and not in the loss.
template <heads::path_tagger Head>
struct evaluation_of<Head> {
  using needs = target_list<target::tag>;

  static auto report(const std::vector<std::string>& labels) {
    return detail::report_of<metrics::entity_report, typename Head::labels>(labels);
  }
  /// `packed` are the head's weights.
  template <class Report, class Packed>
  static void add(Report& report, matrix<const float> x, const training_batch& batch, const Packed& packed) {
    objectives::check_tags(batch, x.cols, "bert::evaluate");
    const labels::transition_table table(report.names(), typename Head::constraints{});
    heads::crf_paths paths(packed.chain(table.allowed().data()));
    std::vector<std::int32_t> expected;
    std::vector<const float*> rows;
    objectives::word_chains::for_each_example(batch, [&](std::size_t first, std::size_t last, std::size_t) {
      expected.clear();
      rows.clear();
      for (std::size_t n = first; n < last; ++n) {
        if (!objectives::word_chains::counts(batch, n)) continue;
        expected.push_back(batch.tags[n]);
        rows.push_back(x.row(n));
      }
      if (expected.empty()) return;
      paths.read(rows);
      if (table.first_fault(expected) == expected.size()) report.add_loss(-paths.log_probability(expected), 1);
      report.add(expected, paths.best());
    });
  }
};

}  // namespace bert

#endif  // BERT_EVALUATION_CRF_EVALUATION_HPP
