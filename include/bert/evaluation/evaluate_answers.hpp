// Evaluates a model on questions: its answers as a pipeline reads them, scored as SQuAD or CMRC 2018 does.
// Layer: evaluation. Test: tests/unit/evaluation/evaluate_answers_test.cpp. Paper: Rajpurkar et al. 2016, 2018.
#ifndef BERT_EVALUATION_EVALUATE_ANSWERS_HPP
#define BERT_EVALUATION_EVALUATE_ANSWERS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bert/checkpoint/weights.hpp"
#include "bert/core/isa.hpp"
#include "bert/data/squad_set.hpp"
#include "bert/heads/span.hpp"
#include "bert/io/atomic_file.hpp"
#include "bert/io/json.hpp"
#include "bert/kernels/rows/softmax.hpp"
#include "bert/metrics/answers.hpp"
#include "bert/model/session.hpp"
#include "bert/objectives/per_sequence.hpp"
#include "bert/objectives/span.hpp"
#include "bert/pipeline/answering.hpp"
#include "bert/pipeline/example.hpp"
#include "bert/pipeline/portions.hpp"

namespace bert::inline BERT_ISA {

struct answer_evaluation_options {
  /// The windows are those of the set; `may_be_empty` is set with answer_rules::squad2.
  answer_options answers = {};
  /// Absent: squad2 if a question of the set has no answer, else squad1.
  std::optional<metrics::answer_rules> rules = {};
};

/// Exact match, F1 and loss, and the answer to every question, in the order of the set.
struct squad_report : metrics::answer_report {
  struct prediction {
    std::string id;
    bert::answer answer;
  };
  using metrics::answer_report::answer_report;
  std::vector<prediction> predictions = {};
};

namespace detail {

/// 1/2 (log sum_n exp(logits[n,0]) - logits[first,0] + log sum_n exp(logits[n,1]) - logits[last,1]), in f64.
[[nodiscard]] inline double span_loss(matrix<const float> logits, const token_span& span, std::vector<float>& column) {
  double loss = 0;
  for (std::size_t c = 0; c < 2; ++c) {
    column.clear();
    for (std::size_t n = 0; n < logits.rows; ++n) column.push_back(logits(n, c));
    loss +=
        kernels::log_sum_exp(column) - static_cast<double>(column[static_cast<std::size_t>(c == 0 ? span.first : span.last)]);
  }
  return loss / 2;
}

}  // namespace detail

/// Runs `m` over all windows of a set's questions and scores the answers.
///
///     const auto report = bert::evaluate(reader, dev);
///     std::cout << report.line();                                  // exact=0.8080 f1=0.8830 loss=1.0210
///     bert::write_predictions("predictions.json", report);
///
/// The loss is the mean over the windows that training would read. Neither the executor nor batch-mates change an answer. The
/// head is the first of the model's that predicts spans. Throws bert::error for windows longer than the model's positions.
template <precision_policy Precision = precision::f32, class A, class... Heads, executor E = execution::serial>
[[nodiscard]] squad_report evaluate(const model<A, Heads...>& m, const data::squad_set& set,
                                    const answer_evaluation_options& options = {}, const E& e = {}) {
  using head = typename objectives::detail::first_head<objectives::detail::is_span_finder, Heads...>::type;
  static_assert(ensure<!std::is_void_v<head>, facts<model<A, Heads...>>>,
                "bert::evaluate: questions need a model with a head that predicts spans; give it one by "
                "with_head<bert::heads::span>()");
  const auto rules =
      options.rules.value_or(set.any_impossible() ? metrics::answer_rules::squad2 : metrics::answer_rules::squad1);
  answer_options answers = options.answers;
  if (rules == metrics::answer_rules::squad2) answers.may_be_empty = true;
  squad_report report = rules == metrics::answer_rules::squad2
                            ? squad_report(rules, {.threshold = answers.threshold.value_or(0)})
                            : squad_report(rules);

  struct sequence {
    std::size_t question;
    text::text_range window;
  };
  std::vector<sequence> sequences;
  batch_shape shape{.sequences = 0, .tokens = 0, .scored = 0, .longest = 0};
  const auto length = [&](std::size_t i) {
    const auto& [q, window] = sequences[i];
    return set[q].ids.size() + (window.last - window.first) + 3;
  };
  for (std::size_t q = 0; q < set.size(); ++q)
    for (const auto& window : set.windows(q)) {
      sequences.push_back({q, window});
      ++shape.sequences;
      shape.tokens += length(sequences.size() - 1);
      shape.longest = std::max(shape.longest, length(sequences.size() - 1));
    }

  const auto packed = freeze<Precision>(m, e);
  std::vector<token_id> ids;
  std::vector<segment_id> segments;
  std::vector<std::vector<float>> kept;  // logits of the current question's windows
  std::vector<matrix<const float>> logits;
  std::vector<text::text_range> windows;
  std::vector<float> column;
  if (sequences.empty()) return report;
  const std::size_t capacity = std::min(shape.tokens, std::max(pipelines::tokens_at_once, shape.longest));
  auto run = packed.session(
      {.sequences = std::min(shape.sequences, capacity), .tokens = capacity, .scored = 0, .longest = shape.longest}, e);
  token_batch batch;
  for (std::size_t first = 0, next = 0; next < sequences.size(); first = next) {
    batch.clear();
    for (; next < sequences.size() && batch.tokens() + length(next) <= capacity; ++next) {
      ids.clear();
      segments.clear();
      set.store().append(set[sequences[next].question], sequences[next].window, ids, segments);
      batch.add(ids, segments);
    }
    run(batch);
    for (std::size_t i = first; i < next; ++i) {
      const auto& [q, window] = sequences[i];
      const auto rows = pipelines::rows_of_sequence<head>(run.template output<head>(), batch, i - first);
      if (const auto span = set.store().span_in(set[q], window); span.first >= 0)
        report.add_loss(detail::span_loss(rows, span, column), 1);
      auto& copy = kept.emplace_back(rows.data, rows.data + rows.rows * rows.cols);
      logits.push_back({copy.data(), rows.rows, rows.cols});
      windows.push_back(window);
      if (i + 1 < sequences.size() && sequences[i + 1].question == q) continue;
      const auto& context = set.context(q);
      answer found = pipelines::decode_answer({.context = context.text,
                                               .ranges = context.ranges,
                                               .words = context.words,
                                               .windows = windows,
                                               .logits = logits,
                                               .row_of_context = text::question_windows::row_of_context(set[q].ids.size())},
                                              answers);
      const answer_candidate* best = found.best();
      report.add(best == nullptr ? std::string_view{} : std::string_view(best->text), set[q].answers, found.no_answer);
      report.predictions.push_back({set[q].id, std::move(found)});
      kept.clear();
      logits.clear();
      windows.clear();
    }
  }
  return report;
}

/// Writes {id: answer}, which the scripts of SQuAD and CMRC 2018 read, atomically. Throws bert::error if it cannot.
inline void write_predictions(const std::filesystem::path& path, const squad_report& report) {
  io::json all = io::json::object();
  for (const auto& p : report.predictions) all[p.id] = p.answer.text;
  io::write_file(path, io::to_text(all));
}
/// Writes {id: no_answer}, the scores that evaluate-v2.0.py takes by --na-prob-file, beside predictions of the best answers
/// that are not "": {id: answer} in `answers`.
inline void write_no_answer(const std::filesystem::path& path, const std::filesystem::path& answers,
                            const squad_report& report) {
  io::json odds = io::json::object(), all = io::json::object();
  for (const auto& p : report.predictions) {
    const answer_candidate* best = p.answer.best();
    all[p.id] = best == nullptr ? std::string{} : best->text;
    odds[p.id] = p.answer.no_answer;
  }
  io::write_file(answers, io::to_text(all));
  io::write_file(path, io::to_text(odds));
}

}  // namespace bert

#endif  // BERT_EVALUATION_EVALUATE_ANSWERS_HPP
