// One tag of a label set per token: entities, parts of speech, any label of words.
// Layer: heads. Test: tests/unit/heads/token_linear_test.cpp. Paper: Devlin et al. 2019, 5.3.
#ifndef BERT_HEADS_TAG_HPP
#define BERT_HEADS_TAG_HPP

#include "bert/core/isa.hpp"
#include "bert/heads/classify.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/heads/token_linear.hpp"

namespace bert::inline BERT_ISA::heads {

/// logits [N, L] = drop(hidden) W^T + b, one of `Labels` per token; the tensors of BertForTokenClassification.
///
///     struct entities : bert::labels::bio<"PER", "ORG", "LOC"> {};
///     auto tagger = files.load<encoder>().with_head<bert::heads::tag<entities>>({.seed = 7});
///
/// With labels::dynamic_set the labels are given when the model is constructed: `.with_head<…>({.labels = names})`.
template <class Labels>
struct tag : token_linear<"classifier.weight", "classifier.bias", detail::label_outputs<Labels>()> {
  using labels = Labels;
  using predicts = target::tag;
};

}  // namespace bert::heads

#endif  // BERT_HEADS_TAG_HPP
