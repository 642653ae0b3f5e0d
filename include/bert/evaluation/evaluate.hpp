// A classifier's answers over a labelled set: confusion, accuracy, F1, Matthews, mean loss.
// Layer: evaluation. Test: tests/unit/evaluation/evaluate_test.cpp
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "bert/core/isa.hpp"
#include "bert/metrics/classification.hpp"
#include "bert/model/session.hpp"
#include "bert/objectives/cross_entropy.hpp"

namespace bert::inline BERT_ISA {

/// Runs the classifier of `m` (the first, if it has several) over the first epoch of `source`, no dropout, and counts.
///
///     const auto report = bert::evaluate(triage, test.batches(64));
///     std::cout << report << report.recall<"urgent">();
///
/// The loss is the mean of -log softmax(logits[s,:])[label_s]. Examples whose label is below 0 are not counted; ties go to
/// the first class. `bert::evaluate<bert::precision::bf16>(triage, …)` counts the answers in that precision. Neither the
/// executor nor the size of the batches changes an answer. Throws bert::error for labels that the head does not have.
template <precision_policy Precision = precision::f32, class A, class... Heads, batch_source Source,
          executor E = execution::serial>
[[nodiscard]] auto evaluate(const model<A, Heads...>& m, const Source& source, const E& e = {}) {
  using model_type = bert::model<A, Heads...>;
  static_assert(ensure<objectives::objective_for<objectives::cross_entropy, model_type>, facts<model_type>>,
                "bert::evaluate: the model has no classifier; give it one by with_head<bert::heads::classify<labels>>()");
  using head = objectives::cross_entropy::head<model_type>;
  using label_set = typename head::labels;

  auto report = [&] {
    if constexpr (labels::static_label_set<label_set>) return metrics::report<label_set>();
    else return metrics::report<label_set>(label_set(m.label_names()));
  }();
  const auto packed = freeze<Precision>(m, e);
  auto capacity = source.capacity();
  capacity.scored = 0;
  auto run = packed.session(capacity, e);
  training_batch batch;
  for (std::uint64_t i = 0; i < source.batches_per_epoch(); ++i) {
    source.load(i, batch);
    run(batch.tokens);
    const auto logits = run.template output<head>().as_matrix();
    objectives::check_labels(batch, logits.cols, "bert::evaluate");
    for (std::size_t s = 0; s < logits.rows; ++s) {
      if (batch.labels[s] < 0) continue;
      const auto row = logits[s];
      const auto best = std::max_element(row.begin(), row.end());
      double sum = 0;
      for (const float x : row) sum += std::exp(static_cast<double>(x) - static_cast<double>(*best));
      const auto label = static_cast<std::size_t>(batch.labels[s]);
      report.add(batch.labels[s], static_cast<int>(best - row.begin()));
      report.add_loss(std::log(sum) + static_cast<double>(*best) - static_cast<double>(row[label]), 1);
    }
  }
  return report;
}

}  // namespace bert
