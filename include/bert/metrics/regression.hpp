// Metrics of a regression: mean squared error, Pearson's and Spearman's correlation.
// Layer: metrics. Test: tests/unit/evaluation/evaluate_test.cpp
#ifndef BERT_METRICS_REGRESSION_HPP
#define BERT_METRICS_REGRESSION_HPP

#include <array>
#include <cstddef>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/metrics/classification.hpp"
#include "bert/metrics/figures.hpp"

namespace bert::inline BERT_ISA::metrics {

/// The result of evaluating a regression; holds the expected and the predicted numbers.
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
  /// The same, which objectives::mean_squared_error reports as its loss.
  [[nodiscard]] double loss() const noexcept { return error_.value(); }
  /// Correlation of expected and predicted numbers; 0 where either is constant.
  [[nodiscard]] double pearson() const { return metrics::pearson(expected_, predicted_); }
  [[nodiscard]] double spearman() const { return metrics::spearman(expected_, predicted_); }
  [[nodiscard]] std::span<const float> expected() const noexcept { return expected_; }
  [[nodiscard]] std::span<const float> predicted() const noexcept { return predicted_; }

  static constexpr std::array<std::string_view, 3> figure_names{"spearman", "pearson", "mse"};
  [[nodiscard]] std::array<double, 3> figures() const { return {spearman(), pearson(), mean_squared_error()}; }
  /// "spearman=0.8123 pearson=0.8101 mse=0.4312": one line for scripts.
  [[nodiscard]] std::string line() const { return line_of(*this); }
  friend std::ostream& operator<<(std::ostream& stream, const regression_report& r) {
    return stream << cat("Pearson ", r.pearson(), ", Spearman ", r.spearman(), ", mean squared error ", r.loss(), ", ",
                         r.total(), " examples\n");
  }

 private:
  std::vector<float> expected_, predicted_;
  mean error_;
};

}  // namespace bert::metrics

#endif  // BERT_METRICS_REGRESSION_HPP
