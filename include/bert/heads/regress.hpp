// One value per sequence or pair, from the pooled first token.
// Layer: heads. Test: tests/unit/heads/pooled_linear_test.cpp. Paper: Devlin et al. 2019, 3.2.
#ifndef BERT_HEADS_REGRESS_HPP
#define BERT_HEADS_REGRESS_HPP

#include "bert/core/isa.hpp"
#include "bert/heads/pooled_linear.hpp"
#include "bert/heads/predicts.hpp"

namespace bert::inline BERT_ISA::heads {

/// y [S, 1] = drop(pooled) W^T + b: BertForSequenceClassification with one label.
struct regress : pooled_linear<"classifier.weight", "classifier.bias", 1, true> {
  using predicts = target::value;
};

}  // namespace bert::heads

#endif  // BERT_HEADS_REGRESS_HPP
