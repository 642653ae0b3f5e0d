// One score per sequence: the best of the sequences of an example is the choice.
// Layer: heads. Test: tests/unit/heads/choice_test.cpp
#ifndef BERT_HEADS_CHOICE_HPP
#define BERT_HEADS_CHOICE_HPP

#include "bert/core/isa.hpp"
#include "bert/heads/pooled_linear.hpp"
#include "bert/heads/predicts.hpp"

namespace bert::inline BERT_ISA::heads {

/// y [S, 1] = drop(pooled) W^T + b: BertForMultipleChoice. Examples may have different numbers of sequences.
struct choice : pooled_linear<"classifier.weight", "classifier.bias", 1, true> {
  using predicts = target::choice;
};

}  // namespace bert::heads

#endif  // BERT_HEADS_CHOICE_HPP
