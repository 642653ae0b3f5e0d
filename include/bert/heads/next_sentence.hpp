// The next-sentence head: does B follow A? Class 0 follows, class 1 comes from another document.
// Layer: heads. Test: tests/unit/heads/pooled_linear_test.cpp. Paper: Devlin et al. 2019, 3.1.
#ifndef BERT_HEADS_NEXT_SENTENCE_HPP
#define BERT_HEADS_NEXT_SENTENCE_HPP

#include "bert/core/isa.hpp"
#include "bert/heads/pooled_linear.hpp"

namespace bert::inline BERT_ISA::heads {

/// logits [S, 2] = pooled W^T + b. Sentence order (Lan et al. 2020) is the same head under other pairs.
struct next_sentence : pooled_linear<"cls.seq_relationship.weight", "cls.seq_relationship.bias", 2, false> {};

}  // namespace bert::heads

#endif  // BERT_HEADS_NEXT_SENTENCE_HPP
