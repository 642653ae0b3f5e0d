// Weights of classes from how often each occurs in a set.
// Layer: data. Test: tests/unit/data/class_weights_test.cpp. Paper: King and Zeng 2001, "Logistic regression in rare events
// data".
#ifndef BERT_DATA_CLASS_WEIGHTS_HPP
#define BERT_DATA_CLASS_WEIGHTS_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/data/labeled_set.hpp"
#include "bert/labels/label_set.hpp"

namespace bert::inline BERT_ISA::data {

/// How often each class is the label of an example, or of several labels one that applies, or the tag of a token that counts.
template <labels::label_set Labels, class Targets>
[[nodiscard]] std::vector<std::uint64_t> class_counts(const labeled_set<Labels, Targets>& set) {
  std::vector<std::uint64_t> counts(static_cast<std::size_t>(set.names().size()));
  const auto count = [&](std::int32_t label) {
    if (label >= 0) ++counts[static_cast<std::size_t>(label)];
  };
  for (std::size_t i = 0; i < set.size(); ++i) {
    if constexpr (requires { set.tags(i); }) {
      for (const auto tag : set.tags(i)) count(tag);
    } else if constexpr (requires { set.applies(i); }) {
      for (std::size_t l = 0; l < counts.size(); ++l) counts[l] += set.applies(i)[l] > 0 ? 1 : 0;
    } else {
      count(set.label(i));
    }
  }
  return counts;
}

/// w[c] = n / (C n_c), n the sum of the counts n_c: a class counts as much as any other in the mean over all predictions, which
/// keeps its scale. A class that does not occur has weight 0.
///
///     bert::objectives::cross_entropy{.class_weights = bert::data::balanced_weights(train)}
template <labels::label_set Labels, class Targets>
[[nodiscard]] std::vector<float> balanced_weights(const labeled_set<Labels, Targets>& set) {
  const auto counts = class_counts(set);
  std::uint64_t all = 0;
  for (const auto n : counts) all += n;
  std::vector<float> weights;
  for (const auto n : counts)
    weights.push_back(
        n == 0 ? 0.0f
               : static_cast<float>(static_cast<double>(all) / (static_cast<double>(counts.size()) * static_cast<double>(n))));
  return weights;
}

/// w[l] = (n - n_l) / n_l for sets of several labels, n examples: the positive weight with which both answers of a label count
/// the same. A label that never applies has weight 1.
///
///     bert::objectives::binary_cross_entropy{.positive_weights = bert::data::positive_weights(train)}
template <labels::label_set Labels, class Targets>
requires lists_target<bert::target::many, Targets>
[[nodiscard]] std::vector<float> positive_weights(const labeled_set<Labels, Targets>& set) {
  std::vector<float> weights;
  for (const auto n : class_counts(set))
    weights.push_back(n == 0 ? 1.0f : static_cast<float>(static_cast<double>(set.size() - n) / static_cast<double>(n)));
  return weights;
}

}  // namespace bert::data

#endif  // BERT_DATA_CLASS_WEIGHTS_HPP
