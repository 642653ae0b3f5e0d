// The order of texts by the scores that a model gives them for a query.
// Layer: pipeline. Test: tests/unit/pipeline/reranking_test.cpp
#ifndef BERT_PIPELINE_RERANKING_HPP
#define BERT_PIPELINE_RERANKING_HPP

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

/// A text of a list: its index there, and its score.
struct ranked {
  std::size_t index = 0;
  float score = 0;  ///< what the head gives: larger is more relevant
};

/// The scores, the largest first, those of equal ones in the order of the list.
[[nodiscard]] inline std::vector<ranked> ranking_of(std::span<const float> scores) {
  std::vector<ranked> all;
  all.reserve(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) all.push_back({i, scores[i]});
  std::sort(all.begin(), all.end(),
            [](const ranked& a, const ranked& b) { return a.score != b.score ? a.score > b.score : a.index < b.index; });
  return all;
}

}  // namespace bert

#endif  // BERT_PIPELINE_RERANKING_HPP
