// Whether probabilities are right as often as they say: reliability, expected calibration error, Brier score.
// Layer: metrics. Test: tests/unit/metrics/calibration_test.cpp
// Papers: Brier 1950; Naeini et al. 2015, "Obtaining well calibrated probabilities"; Guo et al. 2017, "On calibration of modern
// neural networks".
#ifndef BERT_METRICS_CALIBRATION_HPP
#define BERT_METRICS_CALIBRATION_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <ostream>
#include <span>
#include <sstream>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::metrics {

/// Predictions with a probability in (lower, upper]; a probability of 0 belongs to the first bin.
struct reliability_bin {
  double lower = 0, upper = 0;
  std::uint64_t count = 0;
  double probability = 0;  ///< the mean; 0 of nothing
  double frequency = 0;    ///< the share that came true; 0 of nothing
};

/// Probabilities in bins of equal width, each with whether what it was given for came true. For the classes of a text add the
/// largest probability and whether its class is right; for yes-or-no decisions the probability of yes and whether it was yes.
///
///     bert::metrics::reliability r;
///     r.add(0.8, true);
///     std::cout << r.expected_calibration_error() << '\n' << r;
class reliability {
 public:
  /// Throws bert::error for no bins.
  explicit reliability(std::size_t bins = 10) : bins_(bins) {
    if (bins == 0) throw_error({"bert::metrics::reliability", "at least one bin", "none", {}});
  }

  /// Throws bert::error unless the probability is from 0 to 1.
  void add(double probability, bool came_true) {
    if (!(probability >= 0 && probability <= 1))
      throw_error({"bert::metrics::reliability", "a probability from 0 to 1", cat(probability), {}});
    const auto count = static_cast<double>(bins_.size());
    auto at = static_cast<std::size_t>(std::clamp(std::ceil(probability * count) - 1, 0.0, count - 1));
    while (at > 0 && probability <= upper(at - 1)) --at;  // the product may have been rounded over an edge
    while (at + 1 < bins_.size() && probability > upper(at)) ++at;
    sums& bin = bins_[at];
    ++bin.count;
    bin.probability += probability;
    bin.came_true += came_true ? 1 : 0;
    ++total_;
  }

  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  [[nodiscard]] std::vector<reliability_bin> bins() const {
    std::vector<reliability_bin> out;
    for (std::size_t i = 0; i < bins_.size(); ++i) {
      const auto n = static_cast<double>(std::max<std::uint64_t>(1, bins_[i].count));
      out.push_back({i == 0 ? 0.0 : upper(i - 1), upper(i), bins_[i].count, bins_[i].probability / n,
                     static_cast<double>(bins_[i].came_true) / n});
    }
    return out;
  }
  /// sum over bins of count / total * |mean probability - share that came true|; 0 of nothing.
  [[nodiscard]] double expected_calibration_error() const {
    double sum = 0;
    for (const auto& bin : bins_) sum += std::abs(bin.probability - static_cast<double>(bin.came_true));
    return total_ == 0 ? 0 : sum / static_cast<double>(total_);
  }
  /// The largest difference of a bin; 0 of nothing.
  [[nodiscard]] double maximum_calibration_error() const {
    double most = 0;
    for (const auto& bin : bins())
      if (bin.count != 0) most = std::max(most, std::abs(bin.probability - bin.frequency));
    return most;
  }

  /// A row a bin, then the errors.
  friend std::ostream& operator<<(std::ostream& stream, const reliability& r) {
    std::ostringstream out;
    out << std::fixed << std::setprecision(4) << "        bin     count  probability  frequency\n";
    for (const auto& bin : r.bins())
      out << '(' << std::setprecision(2) << bin.lower << ", " << bin.upper << ']' << std::setprecision(4) << std::setw(9)
          << bin.count << std::setw(13) << bin.probability << std::setw(11) << bin.frequency << '\n';
    out << "expected calibration error " << r.expected_calibration_error() << ", largest " << r.maximum_calibration_error()
        << ", " << r.total() << " predictions\n";
    return stream << out.str();
  }

 private:
  struct sums {
    std::uint64_t count = 0, came_true = 0;
    double probability = 0;
  };
  [[nodiscard]] double upper(std::size_t bin) const noexcept {
    return static_cast<double>(bin + 1) / static_cast<double>(bins_.size());
  }

  std::vector<sums> bins_;
  std::uint64_t total_ = 0;
};

/// (probability - came_true)^2 of a yes-or-no decision.
[[nodiscard]] inline double brier(double probability, bool came_true) noexcept {
  const double d = probability - (came_true ? 1.0 : 0.0);
  return d * d;
}

/// sum_c (p[c] - [c = label])^2, 0 to 2, of the probabilities of one text's classes; their mean over texts is the Brier score.
/// Throws bert::error for a label out of range.
[[nodiscard]] inline double brier(std::span<const double> probabilities, std::int32_t label) {
  if (label < 0 || static_cast<std::size_t>(label) >= probabilities.size())
    throw_error({"bert::metrics::brier", cat("a label of 0 to ", probabilities.size() - 1), cat(label), {}});
  double sum = 0;
  for (std::size_t c = 0; c < probabilities.size(); ++c) sum += brier(probabilities[c], c == static_cast<std::size_t>(label));
  return sum;
}

}  // namespace bert::metrics

#endif  // BERT_METRICS_CALIBRATION_HPP
