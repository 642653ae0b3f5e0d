// Metrics of choices: accuracy and loss.
// Layer: metrics. Test: tests/unit/evaluation/choice_test.cpp
#pragma once

#include <cstdint>
#include <iomanip>
#include <ostream>
#include <sstream>
#include <string>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/metrics/classification.hpp"

namespace bert::inline BERT_ISA::metrics {

/// The result of evaluating a head that chooses among the sequences of an example.
class choice_report {
 public:
  void add(bool right, double loss) noexcept {
    ++total_;
    correct_ += right ? 1 : 0;
    loss_.add(loss);
  }

  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  [[nodiscard]] std::uint64_t correct() const noexcept { return correct_; }
  /// The share of the examples whose choice is right; 0 of nothing.
  [[nodiscard]] double accuracy() const noexcept {
    return total_ == 0 ? 0 : static_cast<double>(correct_) / static_cast<double>(total_);
  }
  [[nodiscard]] double loss() const noexcept { return loss_.value(); }

  /// "accuracy=0.7312 loss=0.6021": one line for scripts.
  [[nodiscard]] std::string line() const {
    std::ostringstream out;
    out << std::fixed << std::setprecision(4) << "accuracy=" << accuracy() << " loss=" << loss();
    return std::move(out).str();
  }
  friend std::ostream& operator<<(std::ostream& stream, const choice_report& r) {
    return stream << cat("accuracy ", r.accuracy(), ", loss ", r.loss(), ", ", r.total(), " examples\n");
  }

 private:
  std::uint64_t total_ = 0, correct_ = 0;
  mean loss_;
};

}  // namespace bert::metrics
