// Metrics of scores against yes or no: average precision, area under the ROC curve, best thresholds.
// Layer: metrics. Test: tests/unit/metrics/binary_test.cpp
#ifndef BERT_METRICS_BINARY_HPP
#define BERT_METRICS_BINARY_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::metrics {

/// A threshold with the value of a metric where scores of at least the threshold are taken for yes.
struct best_threshold {
  double value = 0;
  double threshold = 0;
  double precision = 0, recall = 0;  ///< there; of F1 alone
};

/// Scores of examples that are or are not positive.
///
///     const bert::metrics::binary_scores found(scores, positive);
///     std::cout << found.average_precision() << *found.roc_auc() << found.pair_f1().threshold;
class binary_scores {
 public:
  /// `positive[i]` is 0 or not. Throws bert::error unless there are as many, or if a score is NaN.
  template <class Score, class Flag>
  binary_scores(std::span<const Score> scores, std::span<const Flag> positive) {
    if (scores.size() != positive.size())
      throw_error({"bert::metrics::binary_scores", cat(scores.size(), " flags, one a score"), cat(positive.size()), {}});
    sorted_.reserve(scores.size());
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const auto score = static_cast<double>(scores[i]);
      if (std::isnan(score)) throw_error({cat("bert::metrics::binary_scores, score ", i), "a number", "NaN", {}});
      sorted_.emplace_back(score, positive[i] != Flag{});
      positives_ += positive[i] != Flag{} ? 1 : 0;
    }
    // Equal scores keep their order, which the pair metrics read.
    std::stable_sort(sorted_.begin(), sorted_.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  }

  [[nodiscard]] std::size_t total() const noexcept { return sorted_.size(); }
  [[nodiscard]] std::size_t positives() const noexcept { return positives_; }

  /// sum over the distinct scores, high first, of precision times the growth of recall; 0 without positives
  [[nodiscard]] double average_precision() const noexcept {
    double sum = 0;
    std::size_t before = 0;
    for_each_threshold([&](std::size_t taken, std::size_t hits, double) {
      sum += static_cast<double>(hits - before) * static_cast<double>(hits) / static_cast<double>(taken);
      before = hits;
    });
    return positives_ == 0 ? 0.0 : sum / static_cast<double>(positives_);
  }

  /// The probability that a positive has a greater score than a negative, ties counted half; nothing with one class alone.
  [[nodiscard]] std::optional<double> roc_auc() const noexcept {
    const std::size_t negatives = total() - positives_;
    if (positives_ == 0 || negatives == 0) return std::nullopt;
    double wins = 0;
    std::size_t taken_before = 0, hits_before = 0;
    for_each_threshold([&](std::size_t taken, std::size_t hits, double) {
      const auto own = static_cast<double>(hits - hits_before);
      const auto others = static_cast<double>((taken - taken_before) - (hits - hits_before));
      const auto below = static_cast<double>(negatives - (taken - hits));
      wins += own * (below + others / 2);
      taken_before = taken;
      hits_before = hits;
    });
    return wins / (static_cast<double>(positives_) * static_cast<double>(negatives));
  }

  /// The best F1 over thresholds that are scores, the largest of equally good ones; nothing without positives.
  [[nodiscard]] std::optional<best_threshold> best_f1() const noexcept {
    if (positives_ == 0) return std::nullopt;
    best_threshold best{.value = -1};
    for_each_threshold([&](std::size_t taken, std::size_t hits, double score) {
      if (const double f = f1(taken, hits); f > best.value) best = {f, score, share(hits, taken), share(hits, positives_)};
    });
    return best;
  }

  /// The best F1 as sentence-transformers finds it: a threshold half-way between each two neighbors of the sorted scores, never
  /// below all, also between equal scores; the first of equally good ones. 0 and threshold 0 if none is above 0.
  [[nodiscard]] best_threshold pair_f1() const noexcept {
    best_threshold best{};
    for_each_gap([&](std::size_t taken, std::size_t hits, double between) {
      if (hits == 0) return;
      if (const double f = f1(taken, hits); f > best.value) best = {f, between, share(hits, taken), share(hits, positives_)};
    });
    return best;
  }
  /// The best share of examples on their side of a threshold, found in the same way. 0 and threshold -1 of fewer than two
  /// examples.
  [[nodiscard]] best_threshold pair_accuracy() const noexcept {
    best_threshold best{.threshold = -1};
    for_each_gap([&](std::size_t taken, std::size_t hits, double between) {
      const std::size_t negatives_below = (total() - taken) - (positives_ - hits);
      if (const double right = share(hits + negatives_below, total()); right > best.value) best = {right, between};
    });
    return best;
  }

 private:
  static double share(std::size_t part, std::size_t whole) noexcept {
    return static_cast<double>(part) / static_cast<double>(whole);
  }
  [[nodiscard]] double f1(std::size_t taken, std::size_t hits) const noexcept {
    return taken + positives_ == 0 ? 0.0 : 2.0 * static_cast<double>(hits) / static_cast<double>(taken + positives_);
  }
  /// Calls body(examples of at least this score, positives among them, score) for each distinct score, high first.
  template <class Body>
  void for_each_threshold(const Body& body) const {
    std::size_t hits = 0;
    for (std::size_t i = 0; i < sorted_.size(); ++i) {
      hits += sorted_[i].second ? 1 : 0;
      if (i + 1 == sorted_.size() || sorted_[i + 1].first != sorted_[i].first) body(i + 1, hits, sorted_[i].first);
    }
  }
  /// Calls body(examples before the gap, positives among them, mean of the scores on both sides) for each gap.
  template <class Body>
  void for_each_gap(const Body& body) const {
    std::size_t hits = 0;
    for (std::size_t i = 0; i + 1 < sorted_.size(); ++i) {
      hits += sorted_[i].second ? 1 : 0;
      body(i + 1, hits, (sorted_[i].first + sorted_[i + 1].first) / 2);
    }
  }

  std::vector<std::pair<double, bool>> sorted_;
  std::size_t positives_ = 0;
};

}  // namespace bert::metrics

#endif  // BERT_METRICS_BINARY_HPP
