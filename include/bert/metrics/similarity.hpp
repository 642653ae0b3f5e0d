// Metrics of the similarity of scored pairs, as STS-B and its kin have: rank and linear correlation.
// Layer: metrics. Test: tests/unit/evaluation/similarity_test.cpp
#ifndef BERT_METRICS_SIMILARITY_HPP
#define BERT_METRICS_SIMILARITY_HPP

#include <array>
#include <cstddef>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/metrics/classification.hpp"
#include "bert/metrics/figures.hpp"

namespace bert::inline BERT_ISA::metrics {

/// The cosines of pairs beside the scores that people gave them.
///
///     std::cout << bert::evaluate(model, dev.batches(64)).spearman();
class similarity_report {
 public:
  void add(double score, double cosine) {
    scores_.push_back(score);
    cosines_.push_back(cosine);
  }

  [[nodiscard]] std::size_t total() const noexcept { return scores_.size(); }
  /// Correlation of scores and cosines; 0 where either is constant.
  [[nodiscard]] double spearman() const { return metrics::spearman(scores_, cosines_); }
  [[nodiscard]] double pearson() const { return metrics::pearson(scores_, cosines_); }
  [[nodiscard]] std::span<const double> scores() const noexcept { return scores_; }
  [[nodiscard]] std::span<const double> cosines() const noexcept { return cosines_; }

  static constexpr std::array<std::string_view, 2> figure_names{"spearman", "pearson"};
  [[nodiscard]] std::array<double, 2> figures() const { return {spearman(), pearson()}; }
  /// "spearman=0.8123 pearson=0.8101": one line for scripts.
  [[nodiscard]] std::string line() const { return line_of(*this); }
  friend std::ostream& operator<<(std::ostream& stream, const similarity_report& r) {
    return stream << cat("Spearman ", r.spearman(), ", Pearson ", r.pearson(), ", ", r.total(), " pairs\n");
  }

 private:
  std::vector<double> scores_, cosines_;
};

}  // namespace bert::metrics

#endif  // BERT_METRICS_SIMILARITY_HPP
