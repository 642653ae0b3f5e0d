// The first and the last token of an answer: the head of extractive question answering.
// Layer: heads. Test: tests/unit/heads/span_test.cpp. Paper: Devlin et al. 2019, 4.2.
#ifndef BERT_HEADS_SPAN_HPP
#define BERT_HEADS_SPAN_HPP

#include "bert/core/isa.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/heads/token_linear.hpp"

namespace bert::inline BERT_ISA::heads {

/// logits [N, 2] = hidden W^T + b, for each token whether an answer begins and whether it ends there; the tensors of
/// BertForQuestionAnswering, which has no dropout before them.
///
///     auto reader = files.load<encoder>().with_head<bert::heads::span>({.seed = 7});
struct span : token_linear<"qa_outputs.weight", "qa_outputs.bias", 2, false> {
  using predicts = target::span;
};

/// A first and a last token per sequence: logits [N, 2].
template <class Head>
concept span_finder = predicts<Head, target::span>;

}  // namespace bert::heads

#endif  // BERT_HEADS_SPAN_HPP
