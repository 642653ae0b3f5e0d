// Counts of what was expected, predicted and predicted as expected, with their precision, recall and F1.
// Layer: metrics. Test: tests/unit/metrics/entities_test.cpp, tests/unit/metrics/many_test.cpp
#ifndef BERT_METRICS_MATCH_COUNTS_HPP
#define BERT_METRICS_MATCH_COUNTS_HPP

#include <cstdint>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::metrics {

/// share / whole; 0/0 is 0.
[[nodiscard]] constexpr double ratio(std::uint64_t share, std::uint64_t whole) noexcept {
  return whole == 0 ? 0 : static_cast<double>(share) / static_cast<double>(whole);
}

/// Counts of one kind of thing, entities of a type or texts with a label, or of all kinds.
struct match_counts {
  std::uint64_t expected = 0, predicted = 0;
  std::uint64_t correct = 0;  ///< predicted as expected

  [[nodiscard]] double precision() const noexcept { return ratio(correct, predicted); }
  [[nodiscard]] double recall() const noexcept { return ratio(correct, expected); }
  /// 2 p r / (p + r)
  [[nodiscard]] double f1() const noexcept { return ratio(2 * correct, expected + predicted); }
};

}  // namespace bert::metrics

#endif  // BERT_METRICS_MATCH_COUNTS_HPP
