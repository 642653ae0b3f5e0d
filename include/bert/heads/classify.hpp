// One class of a label set per sequence or pair, from the pooled first token or another reading.
// Layer: heads. Test: tests/unit/heads/pooled_linear_test.cpp. Paper: Devlin et al. 2019, 3.2.
#ifndef BERT_HEADS_CLASSIFY_HPP
#define BERT_HEADS_CLASSIFY_HPP

#include "bert/core/isa.hpp"
#include "bert/heads/pooled_linear.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/labels/dynamic_set.hpp"
#include "bert/labels/label_set.hpp"

namespace bert::inline BERT_ISA::heads {

namespace detail {
template <class Labels>
constexpr int label_outputs() {
  static_assert(ensure<labels::label_set<Labels>, facts<Labels>>,
                "bert::heads: the argument of classify and tag must be a label set; derive a struct from "
                "bert::labels::one_of<...> or bio<...>");
  if constexpr (labels::static_label_set<Labels>) return Labels::count;
  else return label_rows;
}
}  // namespace detail

/// logits [S, L] = drop(x) W^T + b, one of `Labels` per sequence or pair; the tensors of BertForSequenceClassification.
///
/// x is the pooler's output, as there, or what another `Reads` reads: reads::first_token, reads::mean. config.json then says
/// "classifier_pooling", which transformers does not read.
template <class Labels, class Reads = reads::pooler>
struct classify : pooled_linear<"classifier.weight", "classifier.bias", detail::label_outputs<Labels>(), true, Reads> {
  using labels = Labels;
  using predicts = target::label;
};

}  // namespace bert::heads

#endif  // BERT_HEADS_CLASSIFY_HPP
