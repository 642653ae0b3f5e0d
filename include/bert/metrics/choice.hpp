// Metrics of choices: accuracy and loss.
// Layer: metrics. Test: tests/unit/evaluation/choice_test.cpp
#ifndef BERT_METRICS_CHOICE_HPP
#define BERT_METRICS_CHOICE_HPP

#include <array>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/metrics/classification.hpp"
#include "bert/metrics/figures.hpp"

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

  static constexpr std::array<std::string_view, 2> figure_names{"accuracy", "loss"};
  [[nodiscard]] std::array<double, 2> figures() const noexcept { return {accuracy(), loss()}; }
  /// "accuracy=0.8123 loss=0.4312": one line for scripts.
  [[nodiscard]] std::string line() const { return line_of(*this); }
  friend std::ostream& operator<<(std::ostream& stream, const choice_report& r) {
    return stream << cat("accuracy ", r.accuracy(), ", loss ", r.loss(), ", ", r.total(), " examples\n");
  }

 private:
  std::uint64_t total_ = 0, correct_ = 0;
  mean loss_;
};

}  // namespace bert::metrics

#endif  // BERT_METRICS_CHOICE_HPP
