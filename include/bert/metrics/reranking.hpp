// Metrics of a reranker: MRR and nDCG of each query's texts, ordered by their scores.
// Layer: metrics. Test: tests/unit/metrics/reranking_test.cpp. Paper: Järvelin and Kekäläinen 2002, "Cumulated gain-based
// evaluation".
#ifndef BERT_METRICS_RERANKING_HPP
#define BERT_METRICS_RERANKING_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/finite.hpp"
#include "bert/core/isa.hpp"
#include "bert/metrics/classification.hpp"
#include "bert/metrics/figures.hpp"

namespace bert::inline BERT_ISA::metrics {

struct reranking_options {
  float relevant = 0.5f;  ///< a text is relevant if its relevance is at least this
};

/// The texts of queries in the order of their scores, larger ones first. Of equal scores the less relevant text is first, so
/// that a model of one score for all gains nothing by the order of a file.
///
/// Queries whose order says nothing are not counted: for MRR those without a relevant text or without another, for nDCG those
/// whose texts have one gain. With relevances 0 and 1 both are the figures of ranking_report.
class reranking_report {
 public:
  using options = reranking_options;
  /// Ranks that are looked at.
  static constexpr std::size_t depth = 10;

  explicit reranking_report(const options& o = {}) : options_(o) {}

  /// Adds a query: the score and the relevance of each text. Throws bert::error for unequal numbers of them, and for one that
  /// is not finite.
  void add(std::span<const float> scores, std::span<const float> relevances) {
    if (scores.size() != relevances.size())
      throw_error(
          {"bert::metrics::reranking_report", cat(scores.size(), " relevances, one a score"), cat(relevances.size()), {}});
    for (const auto all : {scores, relevances})
      if (first_not_finite(all) != all_finite)
        throw_error({"bert::metrics::reranking_report", "finite scores and relevances", "a NaN or an infinity", {}});
    ++total_;
    scores_.insert(scores_.end(), scores.begin(), scores.end());
    relevances_.insert(relevances_.end(), relevances.begin(), relevances.end());
    order_.resize(scores.size());
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = i;
    std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
      return scores[a] != scores[b] ? scores[a] > scores[b] : relevances[a] < relevances[b];
    });
    const auto relevant = [&](float x) { return x >= options_.relevant; };
    if (const auto n = std::count_if(relevances.begin(), relevances.end(), relevant);
        n != 0 && n != static_cast<std::ptrdiff_t>(relevances.size())) {
      std::size_t rank = 1;
      while (!relevant(relevances[order_[rank - 1]])) ++rank;
      mrr_.add(rank > depth ? 0 : 1 / static_cast<double>(rank));
    }
    const double gain = gain_of(relevances);
    std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) { return relevances[a] > relevances[b]; });
    const double most = gain_of(relevances);
    if (most > 0 && gain_at(relevances, 0) != gain_at(relevances, order_.size() - 1)) ndcg_.add(gain / most);
  }
  /// Adds `count` predictions whose mean loss is `loss`.
  void add_loss(double loss, double count) noexcept { loss_.add(loss, count); }

  /// Queries, and those that MRR and nDCG count.
  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  [[nodiscard]] double counted_by_mrr() const noexcept { return mrr_.weight(); }
  [[nodiscard]] double counted_by_ndcg() const noexcept { return ndcg_.weight(); }
  /// mean of 1 / rank of the first relevant text, 0 beyond rank 10
  [[nodiscard]] double mrr() const noexcept { return mrr_.value(); }
  /// mean of sum over ranks r up to 10 of gain / log2(r + 1), over the same of the best order; the gain is the relevance, 0 if
  /// that is negative
  [[nodiscard]] double ndcg() const noexcept { return ndcg_.value(); }
  [[nodiscard]] double loss() const noexcept { return loss_.value(); }
  /// Of all texts, query by query.
  [[nodiscard]] std::span<const float> scores() const noexcept { return scores_; }
  [[nodiscard]] std::span<const float> relevances() const noexcept { return relevances_; }

  static constexpr std::array<std::string_view, 3> figure_names{"mrr@10", "ndcg@10", "loss"};
  [[nodiscard]] std::array<double, 3> figures() const noexcept { return {mrr(), ndcg(), loss()}; }
  /// "mrr@10=0.8123 ndcg@10=0.8501 loss=0.4312": one line for scripts.
  [[nodiscard]] std::string line() const { return line_of(*this); }
  friend std::ostream& operator<<(std::ostream& stream, const reranking_report& r) {
    return stream << cat("MRR@10 ", r.mrr(), " of ", r.counted_by_mrr(), " queries, nDCG@10 ", r.ndcg(), " of ",
                         r.counted_by_ndcg(), ", loss ", r.loss(), ", ", r.total(), " queries of ", r.scores().size(),
                         " texts\n");
  }

 private:
  [[nodiscard]] double gain_at(std::span<const float> relevances, std::size_t place) const noexcept {
    return std::max(0.0, static_cast<double>(relevances[order_[place]]));
  }
  [[nodiscard]] double gain_of(std::span<const float> relevances) const noexcept {
    double sum = 0;
    for (std::size_t r = 0; r < std::min(depth, order_.size()); ++r)
      sum += gain_at(relevances, r) / std::log2(static_cast<double>(r) + 2);
    return sum;
  }

  options options_;
  std::uint64_t total_ = 0;
  mean mrr_, ndcg_, loss_;
  std::vector<float> scores_, relevances_;
  std::vector<std::size_t> order_;  // of the query that is added
};

}  // namespace bert::metrics

#endif  // BERT_METRICS_RERANKING_HPP
