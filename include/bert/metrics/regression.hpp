// What evaluating a regression gives: mean squared error, Pearson's and Spearman's correlation.
// Layer: metrics. Test: tests/unit/evaluation/evaluate_test.cpp
#pragma once

#include <cstddef>
#include <iomanip>
#include <ostream>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/metrics/classification.hpp"

namespace bert::inline BERT_ISA::metrics {

/// Keeps the numbers that were expected and predicted.
///
///     std::cout << report << report.spearman();
class regression_report {
 public:
  void add(float expected, float predicted) {
    expected_.push_back(expected);
    predicted_.push_back(predicted);
    const double d = static_cast<double>(predicted) - static_cast<double>(expected);
    error_.add(d * d);
  }

  [[nodiscard]] std::size_t total() const noexcept { return expected_.size(); }
  /// The mean of the squared differences; 0 of nothing.
  [[nodiscard]] double mean_squared_error() const noexcept { return error_.value(); }
  /// The loss that objectives::mean_squared_error reports: the same.
  [[nodiscard]] double loss() const noexcept { return error_.value(); }
  /// Correlations; 0 where one of the two is constant.
  [[nodiscard]] double pearson() const { return metrics::pearson(expected_, predicted_); }
  [[nodiscard]] double spearman() const { return metrics::spearman(expected_, predicted_); }
  [[nodiscard]] std::span<const float> expected() const noexcept { return expected_; }
  [[nodiscard]] std::span<const float> predicted() const noexcept { return predicted_; }

  /// "spearman=0.8123 pearson=0.8101 loss=0.4312": one line that scripts read.
  [[nodiscard]] std::string line() const {
    std::ostringstream out;
    out << std::fixed << std::setprecision(4) << "spearman=" << spearman() << " pearson=" << pearson() << " loss=" << loss();
    return std::move(out).str();
  }
  friend std::ostream& operator<<(std::ostream& stream, const regression_report& r) {
    return stream << cat("Pearson ", r.pearson(), ", Spearman ", r.spearman(), ", mean squared error ", r.loss(), ", ",
                         r.total(), " examples\n");
  }

 private:
  std::vector<float> expected_, predicted_;
  mean error_;
};

}  // namespace bert::metrics
