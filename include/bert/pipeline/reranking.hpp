// The order of texts by the scores that a model gives them for a query.
// Layer: pipeline. Test: tests/unit/pipeline/reranking_test.cpp
#ifndef BERT_PIPELINE_RERANKING_HPP
#define BERT_PIPELINE_RERANKING_HPP

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/labels/label_set.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA {

/// A text of a list: its index there, and its score.
struct ranked {
  std::size_t index = 0;
  float score = 0;  ///< larger is more relevant: what the head gives, or of two classes the logit of the second
};

/// The same in `all`, whose memory is used again.
inline void rank(std::span<const float> scores, std::vector<ranked>& all) {
  all.clear();
  all.reserve(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) all.push_back({i, scores[i]});
  std::sort(all.begin(), all.end(),
            [](const ranked& a, const ranked& b) { return a.score != b.score ? a.score > b.score : a.index < b.index; });
}
/// The scores, the largest first, those of equal ones in the order of the list.
[[nodiscard]] inline std::vector<ranked> ranking_of(std::span<const float> scores) {
  std::vector<ranked> all;
  rank(scores, all);
  return all;
}

namespace pipelines {

namespace detail {
/// Whether a label set may have two labels.
template <class Labels>
constexpr bool may_be_two() {
  if constexpr (labels::static_label_set<Labels>) return Labels::count == 2;
  else return true;
}
}  // namespace detail

/// A head that orders texts: one value a sequence, or two classes. Of a label set that is known at run time the number of
/// labels is checked then.
template <class Head>
concept orders_texts = heads::regressor<Head> ||(heads::classifier<Head>&& detail::may_be_two<typename Head::labels>());

/// y[0], or z[1] - z[0]: the logit of class 1, whose sigmoid is the probability of class 1. Unlike the probability it keeps
/// the order of texts that are nearly certain. Throws bert::error, from `where`, for another number of outputs.
[[nodiscard]] inline float relevance_of(std::span<const float> outputs, const char* where) {
  if (outputs.size() == 1) return outputs[0];
  if (outputs.size() != 2)
    throw_error({where, "a head of one value or of two classes, the second relevant", cat(outputs.size(), " classes"),
                 "texts are ordered by one score; train a head of two labels, or heads::regress"});
  return outputs[1] - outputs[0];
}

}  // namespace pipelines

}  // namespace bert

#endif  // BERT_PIPELINE_RERANKING_HPP
