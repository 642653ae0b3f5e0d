// Decodes a classifier of several labels: those that apply, with their probabilities.
// Layer: pipeline. Test: tests/unit/pipeline/many_test.cpp
#ifndef BERT_PIPELINE_DECODING_MANY_HPP
#define BERT_PIPELINE_DECODING_MANY_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/pipeline/decoding.hpp"
#include "bert/pipeline/example.hpp"

namespace bert::inline BERT_ISA {

/// A label that applies to a text.
struct label_score {
  std::string label;
  float score = 0;  ///< its probability
  int number = 0;   ///< its index in the set
};

/// The labels that apply to a text: a range of label_score, likeliest first.
struct labels_found {
  std::vector<label_score> labels;
  std::vector<float> probabilities;  ///< of all labels of the set

  [[nodiscard]] auto begin() const noexcept { return labels.begin(); }
  [[nodiscard]] auto end() const noexcept { return labels.end(); }
  [[nodiscard]] std::size_t size() const noexcept { return labels.size(); }
};

/// The labels whose probability reaches `pipeline_options::thresholds`. Throws bert::error unless these are none, one, or one a
/// label.
///
///     const bert::pipeline read{reader, tokenizer, {.thresholds = dev.tuned_thresholds()}};
///     for (const auto& [label, score, number] : read("I laughed and cried.")) …
template <heads::many_classifier Head>
struct decoding<Head> {
  using result = labels_found;

  static result decode(const pipeline_example& in) {
    const auto logits = in.rows.front()[0];
    const auto& given = in.options.thresholds;
    if (given.size() > 1 && given.size() != logits.size())
      throw_error(
          {"bert::pipeline_options", cat("no .thresholds, one, or ", logits.size(), ", one a label"), cat(given.size()), {}});
    result r;
    for (std::size_t l = 0; l < logits.size(); ++l) {
      const auto p = static_cast<float>(1 / (1 + std::exp(-static_cast<double>(logits[l]))));
      r.probabilities.push_back(p);
      const float threshold = given.empty() ? 0.5f : given.size() == 1 ? given.front() : given[l];
      if (p >= threshold) r.labels.push_back({in.labels[l], p, static_cast<int>(l)});
    }
    std::stable_sort(r.labels.begin(), r.labels.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
    return r;
  }
};

}  // namespace bert

#endif  // BERT_PIPELINE_DECODING_MANY_HPP
