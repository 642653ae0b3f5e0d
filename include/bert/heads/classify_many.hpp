// Any number of labels of a set per sequence or pair: one yes-or-no decision a label.
// Layer: heads. Test: tests/unit/heads/classify_many_test.cpp
#ifndef BERT_HEADS_CLASSIFY_MANY_HPP
#define BERT_HEADS_CLASSIFY_MANY_HPP

#include "bert/core/isa.hpp"
#include "bert/heads/classify.hpp"
#include "bert/heads/pooled_linear.hpp"
#include "bert/heads/predicts.hpp"

namespace bert::inline BERT_ISA::heads {

/// logits [S, L] = drop(x) W^T + b, label l applies with probability sigmoid(logits[s,l]); BertForSequenceClassification with
/// "problem_type": "multi_label_classification".
///
///     struct emotions : bert::labels::many_of<"joy", "anger", "fear"> {};
///     auto reader = files.load<encoder>().with_head<bert::heads::classify_many<emotions>>({.seed = 7});
///
/// With labels::dynamic_set the labels are given when the model is constructed. `Reads` as of `classify`.
template <class Labels, class Reads = reads::pooler>
struct classify_many : pooled_linear<"classifier.weight", "classifier.bias", detail::label_outputs<Labels>(), true, Reads> {
  using labels = Labels;
  using predicts = target::many;
};

}  // namespace bert::heads

#endif  // BERT_HEADS_CLASSIFY_MANY_HPP
