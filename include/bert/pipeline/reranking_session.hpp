// Orders texts for one query after another in buffers of its own.
// Layer: pipeline. Test: tests/unit/pipeline/reranking_session_test.cpp
#ifndef BERT_PIPELINE_RERANKING_SESSION_HPP
#define BERT_PIPELINE_RERANKING_SESSION_HPP

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/finite.hpp"
#include "bert/core/isa.hpp"
#include "bert/model/session.hpp"
#include "bert/pipeline/example.hpp"
#include "bert/pipeline/portions.hpp"
#include "bert/pipeline/reranking.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/text/tokenizer.hpp"

namespace bert::inline BERT_ISA {

/// A query and texts in, the texts in the order of their scores out, as bert::pipeline gives them. It keeps its buffers, so it
/// allocates only for a call with more or longer texts than all before; a thread has one of its own.
///
///     const bert::pipeline rerank{model, tokenizer};
///     auto order = rerank.session();
///     for (const auto& query : queries)
///       for (const auto& [index, score] : order(query, passages)) …
template <class Frozen, executor E = execution::serial>
class reranking_session {
 public:
  using head = typename Frozen::model_type::template head_at<0>;

  /// Reads sequences of at most `max_tokens`; `e` runs the kernels.
  reranking_session(std::shared_ptr<const Frozen> weights, std::shared_ptr<const text::tokenizer> tokenizer,
                    std::size_t max_tokens, const E& e)
      : weights_(std::move(weights)), tokenizer_(std::move(tokenizer)), max_tokens_(max_tokens), executor_(e) {}

  /// The texts in falling order of their scores, equal ones in the order of the range; valid until the next call. A sequence
  /// [CLS] query [SEP] text [SEP] a text. Throws bert::error for a score that is not finite.
  template <std::ranges::forward_range Texts>
  requires(std::convertible_to<std::ranges::range_reference_t<const Texts>, std::string_view> &&
           !std::convertible_to<const Texts&, std::string_view>) std::span<const ranked>
  operator()(std::string_view query, const Texts& texts) {
    all_.clear();
    for (auto&& text : texts) tokenizer_->encode_into(all_, query, text, {.max_tokens = max_tokens_});
    scores_.clear();
    if (!all_.empty()) run();
    rank(scores_, order_);
    return order_;
  }

 private:
  void run() {
    const auto needed = pipelines::capacity_for(all_.shape());
    if (!session_ || !session_->capacity().holds(needed)) {
      capacity_.sequences = std::max(capacity_.sequences, needed.sequences);
      capacity_.tokens = std::max(capacity_.tokens, needed.tokens);
      capacity_.longest = std::max(capacity_.longest, needed.longest);
      session_.emplace(*weights_, capacity_, executor_);
    }
    pipelines::run_portions_in(
        *session_, portion_, all_.sequences(), [&](std::size_t i) { return all_.length(i); },
        [&](std::size_t i, token_batch& batch) { batch.add(all_[i], all_.segments(i)); },
        [&](std::size_t, const token_batch& batch, std::size_t s, const auto& output) {
          const matrix<const float> row = pipelines::rows_of_sequence<head>(output, batch, s);
          const std::span<const float> outputs{row.row(0), row.cols};
          if (first_not_finite(outputs) != all_finite)
            throw_error({"bert::pipeline", "an answer of finite numbers", "a NaN or an infinity",
                         "the weights overflow; use f32, or take other weights"});
          scores_.push_back(pipelines::relevance_of(outputs, "bert::pipeline"));
        });
  }

  std::shared_ptr<const Frozen> weights_;
  std::shared_ptr<const text::tokenizer> tokenizer_;
  std::size_t max_tokens_;
  E executor_;
  batch_shape capacity_{.sequences = 0, .tokens = 0, .scored = 0, .longest = 0};
  std::optional<bert::session<Frozen, E>> session_;
  token_batch all_, portion_;
  std::vector<float> scores_;
  std::vector<ranked> order_;
};

}  // namespace bert

#endif  // BERT_PIPELINE_RERANKING_SESSION_HPP
