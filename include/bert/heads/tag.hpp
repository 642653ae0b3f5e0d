// One tag of a label set a token: names, parts of speech, whatever stands at words.
// Layer: heads. Test: tests/unit/heads/token_linear_test.cpp. Paper: Devlin et al. 2019, 5.3.
#pragma once

#include "bert/core/isa.hpp"
#include "bert/heads/classify.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/heads/token_linear.hpp"

namespace bert::inline BERT_ISA::heads {

/// logits [N, L] = drop(hidden) W^T + b, one of `Labels` a token; BertForTokenClassification's tensors.
///
///     struct entities : bert::labels::bio<"PER", "ORG", "LOC"> {};
///     auto tagger = files.load<encoder>().with_head<bert::heads::tag<entities>>({.seed = 7});
///
/// With labels::dynamic_set the labels are those that the model is made with: `.with_head<…>({.labels = names})`.
template <class Labels>
struct tag : token_linear<"classifier.weight", "classifier.bias", detail::label_outputs<Labels>()> {
  using labels = Labels;
  using predicts = target::tag;
};

}  // namespace bert::heads
