// Evaluates a model on a labeled set by the metrics of its head.
// Layer: evaluation. Test: tests/unit/evaluation/evaluate_test.cpp
#ifndef BERT_EVALUATION_EVALUATE_HPP
#define BERT_EVALUATION_EVALUATE_HPP

#include <cstdint>
#include <type_traits>

#include "bert/checkpoint/weights.hpp"
#include "bert/core/isa.hpp"
#include "bert/evaluation/crf_evaluation.hpp"
#include "bert/evaluation/evaluation_of.hpp"
#include "bert/evaluation/evaluation_of_choice.hpp"
#include "bert/evaluation/evaluation_of_many.hpp"
#include "bert/evaluation/similarity.hpp"
#include "bert/model/session.hpp"
#include "bert/pipeline/example.hpp"

namespace bert::inline BERT_ISA {

namespace detail {

template <class... Heads>
struct first_evaluated {
  using type = void;
};
template <class Head, class... Heads>
struct first_evaluated<Head, Heads...> : first_evaluated<Heads...> {
  using type = std::conditional_t<evaluated<Head>, Head, typename first_evaluated<Heads...>::type>;
};

}  // namespace detail

/// Runs `m` over the first epoch of `source`, without dropout, and scores its first head that has a bert::evaluation_of.
///
///     const auto report = bert::evaluate(triage, test.batches(64));
///     std::cout << report << report.recall<"urgent">();
///
/// | head | report |
/// |---|---|
/// | classify | metrics::report: confusion, accuracy, F1, Matthews, loss, calibration |
/// | regress | metrics::regression_report: mean squared error, Pearson, Spearman |
/// | classify_many | metrics::many_report: F1 micro and macro, of each label, subset accuracy, Hamming loss, thresholds, loss |
/// | choice | metrics::choice_report: accuracy, loss |
/// | tag | metrics::entity_report: precision, recall and F1 of entities, accuracy of tags, loss |
/// | crf | the same, of the likeliest path; the loss is that of a sentence |
/// | embedding | metrics::similarity_report: Spearman, Pearson of the cosines of scored pairs |
///
/// Losses are means of -log softmax(logits)[label]; negative labels and tags are not counted. Ties go to the first class.
/// `bert::evaluate<bert::precision::bf16>(triage, …)` runs the model in that precision. Neither the executor nor the batch
/// size changes a prediction. Throws bert::error for labels that the head does not have.
template <precision_policy Precision = precision::f32, class A, class... Heads, batch_source Source,
          executor E = execution::serial>
[[nodiscard]] auto evaluate(const model<A, Heads...>& m, const Source& source, const E& e = {}) {
  using model_type = bert::model<A, Heads...>;
  using head = typename detail::first_evaluated<Heads...>::type;
  static_assert(
      ensure<!std::is_void_v<head>, facts<model_type>>,
      "bert::evaluate: no head of the model can be evaluated; give it one by with_head<bert::heads::classify<labels>>(), "
      "or specialize bert::evaluation_of<Head>");
  using evaluation = evaluation_of<head>;
  static_assert(ensure<carries_targets<Source, evaluation>, facts<Source, head>>,
                "bert::evaluate: the source does not carry the targets that the head is scored by; take a set of that kind");

  auto report = evaluation::report(pipelines::model_traits<model_type>::labels_of(m));
  const auto packed = freeze<Precision>(m, e);
  auto capacity = source.capacity();
  capacity.scored = 0;
  auto run = packed.session(capacity, e);
  training_batch batch;
  for (std::uint64_t i = 0; i < source.batches_per_epoch(); ++i) {
    source.load(i, batch);
    run(batch.tokens);
    const matrix<const float> rows = pipelines::all_rows<head>(run.template output<head>());
    if constexpr (requires { evaluation::add(report, rows, batch, packed.template head<head>()); })
      evaluation::add(report, rows, batch, packed.template head<head>());
    else evaluation::add(report, rows, batch);
  }
  return report;
}

}  // namespace bert

#endif  // BERT_EVALUATION_EVALUATE_HPP
