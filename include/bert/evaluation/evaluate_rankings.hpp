// Evaluates a reranker: the scores of each query's texts, by MRR, nDCG and the loss that it was trained by.
// Layer: evaluation. Test: tests/unit/evaluation/evaluate_rankings_test.cpp
#ifndef BERT_EVALUATION_EVALUATE_RANKINGS_HPP
#define BERT_EVALUATION_EVALUATE_RANKINGS_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "bert/core/ensure.hpp"
#include "bert/core/isa.hpp"
#include "bert/metrics/reranking.hpp"
#include "bert/model/session.hpp"
#include "bert/objectives/list_softmax.hpp"
#include "bert/pipeline/example.hpp"
#include "bert/pipeline/reranking.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA {

namespace detail {
template <class Head>
struct orders_texts : std::bool_constant<pipelines::orders_texts<Head>> {};
}  // namespace detail

/// Runs `m` over the first epoch of `source`, without dropout, and ranks the sequences of each example by the value of the
/// model's first head that gives one, or the logit of the second class of one with two.
///
///     const auto dev = bert::data::rankings("dev.tsv", tokenizer).batches(16);
///     std::cout << bert::evaluate_rankings(reranker, dev).line();          // mrr@10=0.8123 ndcg@10=0.8501 loss=0.4312
///
/// The loss is that of `loss`: any objective over values with `score_rows`. `options` says which texts are relevant. Neither
/// the executor nor the batch size changes a score.
template <precision_policy Precision = precision::f32, class A, class... Heads, batch_source Source,
          class Loss = objectives::list_softmax, executor E = execution::serial>
[[nodiscard]] metrics::reranking_report evaluate_rankings(const model<A, Heads...>& m, const Source& source,
                                                          const Loss& loss = {}, const metrics::reranking_options& options = {},
                                                          const E& e = {}) {
  using model_type = bert::model<A, Heads...>;
  using head = typename objectives::detail::head_where<detail::orders_texts, model_type>::type;
  static_assert(
      ensure<!std::is_void_v<head>, facts<model_type>>,
      "bert::evaluate_rankings: no head of the model gives one value or one of two classes a sequence; give it one by "
      "with_head<bert::heads::regress>()");
  using needed = target_list<target::group, target::value>;
  if constexpr (requires { typename Source::targets; })
    static_assert(ensure<detail::list_covers<typename Source::targets, needed>, facts<Source>>,
                  "bert::evaluate_rankings: the source does not carry groups and values; take bert::data::rankings");
  metrics::reranking_report report(options);
  const auto packed = freeze<Precision>(m, e);
  auto capacity = source.capacity();
  capacity.scored = 0;
  auto run = packed.session(capacity, e);
  typename Loss::work work(loss, source.capacity());
  training_batch batch;
  std::vector<float> scores;
  for (std::uint64_t i = 0; i < source.batches_per_epoch(); ++i) {
    source.load(i, batch);
    (void)loss.prepare(batch, 0, work);
    run(batch.tokens);
    const matrix<const float> rows = pipelines::all_rows<head>(run.template output<head>());
    scores.resize(rows.rows);
    for (std::size_t s = 0; s < rows.rows; ++s)
      scores[s] = pipelines::relevance_of({rows.row(s), rows.cols}, "bert::evaluate_rankings");
    for (std::size_t g = 0; g < batch.examples(); ++g) {
      const std::size_t first = batch.groups[g], count = batch.groups[g + 1] - first;
      report.add(std::span(scores).subspan(first, count), std::span(batch.values).subspan(first, count));
    }
    const auto terms = loss.score_rows(e, batch, work, {scores.data(), rows.rows, 1}, 1.0f);
    report.add_loss(terms.loss(), static_cast<double>(terms["loss"].count));
  }
  return report;
}

}  // namespace bert

#endif  // BERT_EVALUATION_EVALUATE_RANKINGS_HPP
